// A large view over the list, for work on the whole library; the folders and details stay beside it.

import { make } from "./dom.js";
import { icon } from "./icons.js";

/** Events: `open` and `close`. */
export class Sheet extends EventTarget {
  /**
   * @param {import("../model/i18n.js").Translate} t
   * @param {{name: string, picture: string}} what the name is also the button's
   */
  constructor(t, { name, picture }) {
    super();
    this.body = make("div", { class: "sheet-body" });
    this.tools = make("div", { class: "sheet-tools" });
    this.title = make("h2", { tabindex: "-1", text: name });
    this.element = make("section", { class: "sheet", role: "dialog", "aria-label": name, hidden: true }, [
      make("div", { class: "sheet-head" }, [this.title, this.tools, make("button", {
        type: "button", class: "icon-button quiet", "aria-label": t("sheet.close", { name }), onclick: () => this.close(),
      }, [icon("close")])]), this.body,
    ]);
    this.badge = make("span", { class: "badge-count", hidden: true });
    this.picture = icon(picture);
    this.button = make("button", {
      type: "button", class: "icon-button sheet-button", title: name, "aria-label": name, "aria-expanded": "false",
      onclick: () => (this.element.hidden ? this.open() : this.close()),
    }, [this.picture, this.badge]);
    this.element.addEventListener("keydown", (event) => this.pressed(event));
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
    }
  }

  open() {
    this.element.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.dispatchEvent(new Event("open"));
    this.title.focus({ preventScroll: true });
  }

  close() {
    if (this.isOpen) {
      this.element.hidden = true;
      this.button.setAttribute("aria-expanded", "false");
      this.dispatchEvent(new Event("close"));
      this.button.focus({ preventScroll: true });
    }
  }

  /**
   * Draws again; the focus stays in the view when what held it is gone.
   * @param {() => void} draw
   */
  redraw(draw) {
    const { scrollTop } = this.body;
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    const held = this.body.contains(root.activeElement);
    draw();
    this.body.scrollTop = scrollTop;
    if (held && !this.body.contains(root.activeElement)) {
      this.title.focus({ preventScroll: true });
    }
  }

  /**
   * A number on the button; the name says it too.
   * @param {string} text '' for none
   * @param {string} name
   */
  mark(text, name) {
    this.badge.textContent = text;
    this.badge.hidden = !text;
    this.button.title = name;
    this.button.setAttribute("aria-label", name);
  }

  /** @param {string} text */
  say(text) {
    this.body.replaceChildren(make("p", { class: "sheet-empty", text }));
  }
}
