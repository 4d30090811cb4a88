// Which rows of a uniform grid are seen, and where they lie; numbers only, no elements.

/**
 * @typedef {object} Layout
 * @property {number} columns
 * @property {number} cardWidth in pixels
 * @property {number} lineHeight height of a line with its gap
 * @property {number} lines
 * @property {number} height of everything
 * @property {boolean} listed whether each line is one row with its columns
 */

const GAP = 10;
const LIST_HEIGHT = 48;
const CAPTION = 74;
const SPARE = 1;

/**
 * @param {number} count
 * @param {number} width
 * @param {{size: number, list: boolean}} choice
 * @returns {Layout}
 */
export function layoutOf(count, width, { size, list }) {
  const room = Math.max(width, 1);
  // Two cards side by side on a phone, whatever the slider says.
  const wanted = Math.min(size, Math.max((room - GAP) / 2, 120));
  const columns = list ? 1 : Math.max(1, Math.floor((room + GAP) / (wanted + GAP)));
  const cardWidth = (room - GAP * (columns - 1)) / columns;
  const lineHeight = list ? LIST_HEIGHT : Math.round(cardWidth * 1.15) + CAPTION + GAP;
  const lines = Math.ceil(count / columns);
  return { columns, cardWidth, lineHeight, lines, height: lines * lineHeight, listed: list };
}

/**
 * First and last line that must exist, the last one not included.
 * @param {Layout} layout
 * @param {number} top
 * @param {number} height
 * @returns {[number, number]}
 */
export function seenLines({ lineHeight, lines }, top, height) {
  const first = Math.max(0, Math.floor(top / lineHeight) - SPARE);
  const last = Math.min(lines, Math.ceil((top + height) / lineHeight) + SPARE);
  return [Math.min(first, last), last];
}

/**
 * Where the selection goes for a key, or null where the key is not one of the grid's.
 * @param {string} key
 * @param {number} place
 * @param {number} count
 * @param {{columns: number, page: number}} shape `page`: lines that are seen at once
 */
export function placeAfter(key, place, count, { columns, page }) {
  const last = count - 1;
  /** @type {Record<string, number>} */
  const moves = {
    ArrowRight: place + 1, ArrowLeft: place - 1, ArrowDown: place + columns,
    ArrowUp: place - columns, PageDown: place + columns * page, PageUp: place - columns * page,
    Home: 0, End: last,
  };
  return key in moves ? Math.max(0, Math.min(last, moves[key])) : null;
}

const PICTURES = [160, 320, 640];

/**
 * The smallest thumbnail that fills the screen's own pixels.
 * @param {Layout} layout
 * @param {boolean} list
 */
export function pictureSizeOf({ cardWidth }, list) {
  const wanted = (list ? 48 : cardWidth) * (globalThis.devicePixelRatio || 1);
  return PICTURES.find((size) => size >= wanted) ?? PICTURES[PICTURES.length - 1];
}
