// What the trainer wrote into a file's header: anything may be missing, malformed or of another type.

/** More words than these tell a person nothing. */
const MOST_TAGS = 40;
const SECONDS = 1000;
/** A clock that was never set writes 1970; kohya's first trainer is of 2022. */
const FIRST_YEAR = 2020;

/**
 * One fact: `name` is the word's key in the locales.
 * @typedef {{name: string, value: string}} TrainingFact
 */

/** @typedef {{word: string, count: number}} TrainedTag */

/**
 * Which entries tell each fact, the first that has one wins.
 * @type {readonly [string, readonly string[]][]}
 */
const FACTS = [
  ["training.base", ["ss_sd_model_name", "ss_pretrained_model_name_or_path", "modelspec.architecture"]],
  ["training.resolution", ["ss_resolution", "modelspec.resolution"]],
  ["training.steps", ["ss_steps", "ss_max_train_steps"]],
  ["training.epochs", ["ss_epoch", "ss_num_epochs"]],
  ["training.dim", ["ss_network_dim"]],
  ["training.alpha", ["ss_network_alpha"]],
  ["training.module", ["ss_network_module"]],
  ["training.optimizer", ["ss_optimizer", "ss_optimizer_type"]],
  ["training.rate", ["ss_unet_lr", "ss_learning_rate"]],
  ["training.images", ["ss_num_train_images"]],
  ["training.comment", ["ss_training_comment"]],
];

/** @type {Record<string, (text: string) => string>} */
const READERS = {
  "training.resolution": resolutionText,
  "training.optimizer": (text) => text.split("(")[0].split(".").at(-1) ?? text,
  "training.base": (text) => text.split(/[\\/]/).at(-1) ?? text,
};

/**
 * @param {unknown} metadata
 * @returns {TrainingFact[]}
 */
export function trainingFacts(metadata) {
  const told = asRecord(metadata);
  const facts = FACTS.flatMap(([name, entries]) => {
    const value = firstText(told, entries);
    return value ? [{ name, value: READERS[name]?.(value) ?? value }] : [];
  });
  const date = trainingDate(told);
  return date ? [...facts, { name: "training.date", value: date }] : facts;
}

/**
 * The words of the captions, most frequent first, counted over all folders of the data set.
 * @param {unknown} metadata
 * @returns {TrainedTag[]}
 */
export function trainedTags(metadata) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const folder of Object.values(asRecord(parsed(asRecord(metadata).ss_tag_frequency)))) {
    for (const [tag, count] of Object.entries(asRecord(folder))) {
      const word = tag.trim();
      if (word && typeof count === "number" && count > 0 && Number.isFinite(count)) {
        counts.set(word, (counts.get(word) ?? 0) + count);
      }
    }
  }
  return [...counts].map(([word, count]) => ({ word, count }))
    .sort((one, other) => other.count - one.count || (one.word < other.word ? -1 : 1))
    .slice(0, MOST_TAGS);
}

/**
 * How much a word stands out, 0 to 1; by its logarithm, since a few words are in every caption.
 * @param {number} count
 * @param {readonly TrainedTag[]} tags
 */
export function weightOf(count, tags) {
  const logs = tags.map((tag) => Math.log(tag.count));
  const least = Math.min(...logs);
  const span = Math.max(...logs) - least;
  return span > 0 ? (Math.log(count) - least) / span : 1;
}

/**
 * @param {Record<string, unknown>} told
 * @returns {string} a day, or ''
 */
function trainingDate(told) {
  const text = firstText(told, ["modelspec.date", "ss_training_finished_at", "ss_training_started_at"]);
  const date = new Date(/^\d+(\.\d+)?$/.test(text) ? Number(text) * SECONDS : text);
  const year = date.getUTCFullYear();
  return year >= FIRST_YEAR && year < 10000 ? date.toISOString().slice(0, 10) : "";
}

/**
 * `(512, 768)` and `512x768` alike.
 * @param {string} text
 */
function resolutionText(text) {
  const numbers = text.match(/\d+/g);
  if (!numbers) {
    return text;
  }
  return (numbers.length > 1 ? numbers.slice(0, 2) : [numbers[0], numbers[0]]).join(" × ");
}

/**
 * @param {Record<string, unknown>} told
 * @param {readonly string[]} entries
 */
function firstText(told, entries) {
  const texts = entries.map((name) => told[name])
    .map((value) => (typeof value === "string" || typeof value === "number" ? String(value).trim() : ""));
  // kohya writes Python's None as a word.
  return texts.find((text) => text && text !== "None" && text !== "null") ?? "";
}

/** @param {unknown} value JSON inside of a text, or what it stands for already */
function parsed(value) {
  if (typeof value !== "string") {
    return value;
  }
  try {
    return JSON.parse(value);
  } catch {
    return null; // cut off by a trainer or an editor
  }
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function asRecord(value) {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  return isRecord ? /** @type {Record<string, unknown>} */ (value) : {};
}

/**
 * A caption's word for a prompt, where parentheses would raise its weight.
 * @param {string} word
 */
export function asPrompt(word) {
  return word.replace(/[()]/g, "\\$&");
}
