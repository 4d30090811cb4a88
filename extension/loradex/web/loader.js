// Brings the page in: all its files at once, under the address that belongs to this version.
// The server fills in the three values; see loradex/server/web.py.

const DIGEST_OF_ALL = "DIGEST";
const MODULE_NAMES = /** @type {string[]} */ (/** @type {unknown} */ ("MODULES"));
const STYLE_NAMES = /** @type {string[]} */ (/** @type {unknown} */ ("STYLES"));

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;
const base = new URL(`${DIGEST_OF_ALL}/`, import.meta.url);

/**
 * Without it each module would be asked for only after the one that imports it has come.
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function early(name, attributes) {
  const link = document.createElement("link");
  Object.entries({ ...attributes, href: new URL(name, base).href }).forEach(
    ([key, value]) => link.setAttribute(key, value));
  document.head.append(link);
}

/** Asks again where the server is away for a moment, as while a WebUI reloads its page. */
async function bringIn(wait = FIRST_WAIT_MS) {
  try {
    await import(new URL("loradex.js", base).href);
  } catch {
    setTimeout(() => void bringIn(Math.min(wait * 2, LONGEST_WAIT_MS)), wait);
  }
}

MODULE_NAMES.forEach((name) => early(name, { rel: "modulepreload" }));
// Fetched, not applied: the element adopts them inside its shadow root.
STYLE_NAMES.forEach((name) => early(name, { rel: "prefetch" }));
void bringIn();
