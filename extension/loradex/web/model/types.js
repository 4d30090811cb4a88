// The records that the page passes around; only types, nothing runs here.

/**
 * One LoRA as cards and the list show it.
 * @typedef {object} Row
 * @property {number} key stays the same while the file is moved, renamed or replaced
 * @property {string} id path from the root on, with the suffix
 * @property {number} root place in the server's list of roots
 * @property {string} name file name without the suffix
 * @property {string} shortName the shortest name that means this file in a prompt
 * @property {string} title as its metadata says it
 * @property {string} label what it is called on the page
 * @property {string} folder path of the folder below the root; '' is the root itself
 * @property {string} presence `present`, `offline` or `gone`
 * @property {string} status `ok`, `broken`, `unfinished` or `not_a_lora`
 * @property {string} family
 * @property {readonly string[]} types
 * @property {number} rank 0 where unknown
 * @property {Verdict} verdict '' while no checkpoint is loaded
 * @property {string} fault code of what is wrong, or ''
 * @property {readonly string[]} words trigger words
 * @property {readonly string[]} tags
 * @property {boolean} hasNotes their text is in the details
 * @property {number} strength preferred one; NaN where unknown
 * @property {boolean} favourite
 * @property {number} rating 0 to 10; NaN where there is none
 * @property {number} size bytes
 * @property {number} modified milliseconds since 1970
 * @property {number} added milliseconds since 1970
 * @property {string} preview version of its picture, '' where it has none
 * @property {string} media what its picture is: `image`, `video` or ''
 * @property {number} nsfw level of its pictures in Civitai's bits (1 safe ... 16); 0 where unknown
 * @property {string} searched everything that a search looks in, in lower case
 */

/** @typedef {'' | 'fits' | 'partly' | 'no_effect' | 'unknown' | 'broken'} Verdict */

/**
 * What is shown: the filters, the order and the form.
 * @typedef {object} Choice
 * @property {string} text
 * @property {ReadonlySet<string>} families
 * @property {ReadonlySet<string>} types
 * @property {ReadonlySet<string>} verdicts
 * @property {ReadonlySet<string>} tags
 * @property {boolean} faults only what has a fault
 * @property {boolean} favourites only favourites
 * @property {boolean} hideUnfit leave out what has no effect here
 * @property {string | null} folder path with its root (`0/art`); null is everything
 * @property {ReadonlySet<number>} noted keys of rows that have the words of `text`, some in their notes
 * @property {string} sort
 * @property {boolean} descending
 * @property {number} size width of a card in pixels
 * @property {boolean} list
 * @property {number} blur lowest level (Civitai's bits) whose pictures are blurred; 0 is none
 */

/**
 * What one LoRA did in the last generation.
 * @typedef {object} Applied
 * @property {string} id
 * @property {number} applied
 * @property {number} total
 */

/**
 * A column of the index: plain values, or places in a list of distinct ones.
 * @typedef {readonly unknown[] | {codes: readonly (number | readonly number[])[], values: readonly unknown[]}} Column
 */

/**
 * The whole list as the server sends it.
 * @typedef {object} IndexData
 * @property {readonly string[]} roots
 * @property {Record<string, Column>} columns
 */

/**
 * What every part of the page is given.
 * @typedef {object} Context
 * @property {import("./i18n.js").Translate} t
 * @property {import("./api.js").Api} api
 * @property {import("./library.js").Library} library
 * @property {import("../hosts/prompts.js").Prompts} prompts
 * @property {import("./view_state.js").ViewState} view
 * @property {import("./selection.js").Selection} selection
 * @property {(message: string, how?: TellHow) => void} tell says something in a corner of the page
 * @property {(problem: unknown) => void} fail says an error in its own words, with its next step
 * @property {(row: Row) => void} open shows the details
 * @property {(row: Row) => void} use puts into the prompt, or takes out again
 */

/**
 * @typedef {object} TellHow
 * @property {string} [undo] id of the operation that a button takes back
 */

export {};
