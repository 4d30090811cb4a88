// Sizes of files in the unit that people would say.

const UNITS = /** @type {const} */ ([[1e9, "gigabytes"], [1e6, "megabytes"]]);
const KILOBYTE = 1e3;

/**
 * @param {import("./i18n.js").Translate} t
 * @param {number} bytes
 */
export function sizeText(t, bytes) {
  const [unit, word] = UNITS.find(([size]) => bytes >= size) ?? [KILOBYTE, "kilobytes"];
  const value = bytes / unit;
  return t(word, { value: value < 10 ? Math.round(value * 10) / 10 : Math.round(value) });
}
