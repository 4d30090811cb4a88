// A button with a small sheet below it, which closes by Escape and by a click elsewhere.

import { make } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @param {string} picture
 * @param {string} label
 * @param {readonly (Node | null)[]} children
 * @returns {HTMLDetailsElement}
 */
export function menu(picture, label, children) {
  const summary = make("summary", { class: "icon-button", title: label, "aria-label": label }, [icon(picture)]);
  const element = make("details", { class: "menu" }, [
    summary, make("div", { class: "menu-sheet" }, children)]);
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && element.open) {
      element.open = false;
      summary.focus();
      event.stopPropagation();
    }
  });
  element.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !element.contains(event.relatedTarget)) {
      element.open = false;
    }
  });
  return element;
}
