// What the parts of the details are made of; a part is drawn again only where its facts are others.

/** @import {Context, Row} from "../../model/types.js" */
import { make } from "../dom.js";

/**
 * What the panel shows: the row of the list, and everything else from the server.
 * @typedef {{row: Row, details: any}} Shown
 */

/** Leaves the focus and open lists alone while other files of the library change. */
export class Part {
  /**
   * @param {(shown: Shown) => unknown} of what it shows, as plain data
   * @param {(data: any, shown: Shown) => readonly Node[]} draw no nodes where there is nothing to say
   */
  constructor(of, draw) {
    this.of = of;
    this.draw = draw;
    this.last = "";
    this.element = make("div", { class: "part" });
  }

  /** @param {Shown} shown */
  show(shown) {
    const data = this.of(shown);
    const told = JSON.stringify([shown.row.key, data]);
    if (told !== this.last) {
      this.last = told;
      this.element.replaceChildren(...this.draw(data, shown));
    }
  }
}

/**
 * @param {string} title
 * @param {readonly (Node | null)[]} children
 */
export function section(title, children) {
  return make("section", { "aria-label": title }, [make("h3", { text: title }), ...children]);
}

/** @param {readonly (readonly [string, ...(string | Node | null)[]])[]} pairs a name and what belongs to it */
export function list(pairs) {
  return make("dl", {}, pairs.flatMap(([name, ...values]) => [
    make("dt", { text: name, dir: "auto" }), make("dd", { dir: "auto" }, values)]));
}

/**
 * Everything that changes files waits where the host allows no changes, and says why.
 * @param {Context} context
 * @param {readonly (HTMLButtonElement | HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement)[]} controls
 */
export function lock({ library }, controls) {
  const locked = library.status.locked || "";
  for (const control of controls) {
    control.disabled = Boolean(locked);
    control.title = locked;
  }
}
