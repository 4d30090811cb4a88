// Makes elements; text is always text, so nothing that a file says is ever read as HTML.

/** @typedef {Record<string, string | number | boolean | null | undefined | EventListener>} Props */

/**
 * `class`, `text` and attributes; `onclick` and its like are listeners. False and null leave an
 * attribute out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props} [props]
 * @param {readonly (Node | string | null)[]} [children]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, props = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else if (name === "text") {
      element.textContent = String(value);
    } else {
      setAttribute(element, name, value);
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
export function setAttribute(element, name, value) {
  if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (element.getAttribute(name) !== wanted) { // the same value again is a change to style and layout
    element.setAttribute(name, wanted);
  }
}

/**
 * Leaves the tree alone where nothing changes.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/**
 * @param {(...values: any[]) => void} action
 * @param {number} milliseconds
 */
export function later(action, milliseconds) {
  let timer = 0;
  return (/** @type {any[]} */ ...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}
