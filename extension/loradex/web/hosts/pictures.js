// The last picture that the host made: what its gallery shows now.

/** Of the prompt that was used last, its own gallery is asked first. */
const GALLERIES = [
  ["#txt2img_prompt", "#txt2img_gallery"], ["#img2img_prompt", "#img2img_gallery"], ["#prompt", "#pictures"],
];
/** The large one that is looked at, else the first of the small ones. */
const SHOWN = ["[data-testid=detailed-image]", "img"];

/**
 * @param {Document} page
 * @param {string} prompt selector of the prompt box used last, or ''
 * @returns {HTMLImageElement | null}
 */
export function lastPicture(page, prompt = "") {
  const own = GALLERIES.filter(([box]) => prompt.startsWith(box));
  for (const [, gallery] of [...own, ...GALLERIES]) {
    for (const shown of SHOWN) {
      const found = page.querySelector(gallery)?.querySelector(shown);
      if (found instanceof HTMLImageElement && found.src) {
        return found;
      }
    }
  }
  return null;
}

/**
 * Its file; never one of another site's.
 * @param {HTMLImageElement} picture
 * @returns {Promise<Blob | null>}
 */
export async function pictureFile(picture) {
  const address = new URL(picture.src, location.href);
  const isOurs = address.origin === location.origin || ["data:", "blob:"].includes(address.protocol);
  if (!isOurs) {
    return null;
  }
  const answer = await fetch(address, { credentials: "same-origin" });
  const file = answer.ok ? await answer.blob() : null;
  return file?.type.startsWith("image/") ? file : null;
}
