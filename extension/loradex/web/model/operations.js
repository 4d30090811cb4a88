// Changes of many files at once, and the way back from each of them.

/** @import {Context} from "./types.js" */
import { Problem } from "./api.js";

/**
 * One change as the server tells it.
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} kind
 * @property {string} when
 * @property {boolean} done
 * @property {readonly string[]} problems
 * @property {string | null} undone_by
 * @property {boolean} can_undo
 * @property {number} count files
 * @property {string} title
 */

/**
 * @typedef {object} Asked
 * @property {"move" | "rename" | "trash" | "edit"} action
 * @property {readonly number[]} keys
 * @property {number} [root]
 * @property {string} [folder]
 * @property {string} [name]
 * @property {boolean} [favourite]
 * @property {number | null} [rating]
 * @property {readonly string[]} [add_tags]
 * @property {readonly string[]} [remove_tags]
 */

/**
 * Does it and says so with a way back; a refusal comes as a Problem.
 * @param {Pick<Context, "api" | "tell">} context
 * @param {Asked} asked
 * @param {string} sentence what was done, in the user's language
 * @returns {Promise<Operation>}
 */
export async function carryOut({ api, tell }, asked, sentence) {
  const operation = succeeded(await api.send("POST", "operations", asked));
  tell(sentence, operation.can_undo ? { undo: operation.id } : {});
  return operation;
}

/**
 * The same, where a refusal is said in a corner of the page.
 * @param {Pick<Context, "api" | "tell" | "fail">} context
 * @param {Asked} asked
 * @param {string} sentence
 * @returns {Promise<Operation | null>} null where nothing was done
 */
export async function tryOut(context, asked, sentence) {
  try {
    return await carryOut(context, asked, sentence);
  } catch (problem) {
    context.fail(problem);
    return null;
  }
}

/**
 * @param {Operation} operation
 * @returns {Operation}
 */
export function succeeded(operation) {
  if (!operation.done) {
    throw new Problem(operation.problems.join(" ") || operation.title, "", "not-done", 0);
  }
  return operation;
}

/** As many undos in a row are looked through for the change before them; the server knows all. */
const LOOKED_BACK = 100;

/**
 * What the page undid last, so that it can be done again; any other change forgets it.
 */
export class Undoing {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
    /** @type {Map<string, string>} sentences of the operations that this page told of */
    this.told = new Map();
    this.last = "";
  }

  /**
   * @param {string} operation
   * @param {string} sentence
   */
  remember(operation, sentence) {
    this.told.set(operation, sentence);
    this.last = "";
  }

  /**
   * @param {string} [operation] the last one that can be undone where none is named
   * @returns {Promise<{operation: Operation, what: string, again: boolean}>}
   */
  async undo(operation) {
    const { id, title } = operation ? { id: operation, title: "" } : await this.latest();
    const made = succeeded(await this.api.send("POST", "undo", id ? { operation: id } : {}));
    const again = made.kind === "redo";
    const what = this.told.get(id) ?? (title || made.title);
    this.told.set(made.id, what);
    this.last = again ? "" : made.id;
    return { operation: made, what, again };
  }

  /**
   * The change that an undo without a name takes back, for its words.
   * @returns {Promise<{id: string, title: string}>}
   */
  async latest() {
    const { operations } = await this.api.get("operations", { limit: LOOKED_BACK });
    const found = operations.find((/** @type {Operation} */ one) => one.can_undo && one.kind !== "undo");
    return found ?? { id: "", title: "" };
  }

  /** Does again what was undone last; null where nothing was. */
  async redo() {
    return this.last ? this.undo(this.last) : null;
  }
}
