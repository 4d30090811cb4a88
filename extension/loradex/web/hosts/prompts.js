// Reads and writes the prompt box that was used last, in the WebUIs and in the standalone.

const BOXES = ["#txt2img_prompt textarea", "#img2img_prompt textarea", "#prompt textarea"];

/** Event: `change`, when the text or the box in use is another one. */
export class Prompts extends EventTarget {
  /** @param {Document} page */
  constructor(page = document) {
    super();
    this.page = page;
    this.last = "";
    this.onFocus = (/** @type {Event} */ event) => this.noticed(event);
  }

  connect() {
    this.page.addEventListener("focusin", this.onFocus);
    this.page.addEventListener("input", this.onFocus);
  }

  disconnect() {
    this.page.removeEventListener("focusin", this.onFocus);
    this.page.removeEventListener("input", this.onFocus);
  }

  /** @param {Event} event */
  noticed(event) {
    const target = event.target;
    if (!(target instanceof HTMLTextAreaElement)) {
      return;
    }
    const box = BOXES.find((selector) => target.matches(selector));
    if (box) {
      this.last = box;
      this.dispatchEvent(new Event("change"));
    }
  }

  /**
   * @param {EventTarget | null} target
   * @returns {target is HTMLTextAreaElement} whether it is a prompt box
   */
  owns(target) {
    return target instanceof HTMLTextAreaElement && BOXES.some((selector) => target.matches(selector));
  }

  /** @returns {HTMLTextAreaElement | null} null where the page has no prompt (a pop-out) */
  get box() {
    for (const selector of [this.last, ...BOXES].filter(Boolean)) {
      const found = /** @type {HTMLTextAreaElement | null} */ (this.page.querySelector(selector));
      if (found) {
        return found;
      }
    }
    return null;
  }

  get text() {
    return this.box?.value ?? "";
  }

  /**
   * Puts words at the end, behind a comma.
   * @param {string} words
   */
  add(words) {
    this.write([this.text.trimEnd().replace(/,$/, ""), words].filter(Boolean).join(", "));
  }

  /** @param {string} text */
  write(text) {
    const { box } = this;
    if (box) {
      box.value = text;
      // The hosts read the box on input events only.
      box.dispatchEvent(new Event("input", { bubbles: true }));
      this.dispatchEvent(new Event("change"));
    }
  }
}
