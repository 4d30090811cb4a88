// The system's clipboard, also where the page came over plain HTTP and browsers hide the new API.

/**
 * @param {string} text
 * @param {Element} shown where the text stands; it is left selected if nothing else works
 * @returns {boolean} whether it was copied
 */
export function copyText(text, shown) {
  if (navigator.clipboard) {
    void navigator.clipboard.writeText(text).catch(() => select(shown));
    return true;
  }
  select(shown);
  return document.execCommand("copy");
}

/** @param {Element} shown */
function select(shown) {
  const range = document.createRange();
  range.selectNodeContents(shown);
  const selection = getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
}

/**
 * The picture on the clipboard.
 * @returns {Promise<Blob | null>} null where there is none, or the browser does not let the page look
 */
export async function clipboardPicture() {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (type) {
        return await item.getType(type);
      }
    }
  } catch {
    return null; // no such API over plain HTTP, or the user said no: a paste with the keys works
  }
  return null;
}
