// The page's words in the user's language; one JSON file in `locales` is one language.

const FALLBACK = "en";
export const LANGUAGES = ["en", "zh-CN"];

/** @typedef {(key: string, values?: Record<string, string | number>) => string} Translate */

/**
 * The first language that there is a file for; `zh-Hans-SG` finds `zh-CN`.
 * @param {readonly string[]} wanted
 */
export function chooseLanguage(wanted) {
  for (const tag of wanted.filter(Boolean)) {
    const wish = tag.toLowerCase().replace("_", "-");
    const found = LANGUAGES.find((one) => one.toLowerCase() === wish)
      ?? LANGUAGES.find((one) => one.split("-")[0] === wish.split("-")[0]);
    if (found) {
      return found;
    }
  }
  return FALLBACK;
}

/**
 * A word that a language lacks is shown in English; `{count}` chooses between `key.one` and
 * `key.other` by the language's own rules.
 * @param {Record<string, string>} words
 * @param {Record<string, string>} fallback
 * @param {string} language
 * @returns {Translate}
 */
export function translator(words, fallback, language) {
  const plural = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (key, values = {}) => {
    const { count } = values;
    const keys = typeof count === "number" ? [`${key}.${plural.select(count)}`, `${key}.other`, key] : [key];
    const text = find(words, keys) ?? find(fallback, keys) ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => {
      const value = values[name];
      return typeof value === "number" ? numbers.format(value) : value ?? whole;
    });
  };
}

/**
 * @param {Record<string, string>} words
 * @param {readonly string[]} keys
 */
function find(words, keys) {
  const key = keys.find((one) => Object.hasOwn(words, one));
  return key === undefined ? undefined : words[key];
}

/**
 * @param {string} language
 * @returns {Promise<Translate>}
 */
export async function loadLanguage(language) {
  const [fallback, words] = await Promise.all([read(FALLBACK), read(language)]);
  return translator(words, fallback, language);
}

/** @param {string} language */
async function read(language) {
  const answer = await fetch(new URL(`../locales/${language}.json`, import.meta.url));
  return answer.ok ? answer.json() : {};
}
