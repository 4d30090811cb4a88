// The names of the list's columns; a click orders by one, another turns the order round.

/** @import {Choice, Context} from "../model/types.js" */
import { wayOf } from "../model/order.js";
import { make, setAttribute } from "./dom.js";
import { icon } from "./icons.js";

/** Columns in their places: the class of the cells, and the order of that name, if there is one. */
const COLUMNS = /** @type {const} */ ([
  ["front", ""], ["name", "name"], ["family", "family"], ["kind", "type"], ["state", "verdict"],
  ["size", "size"], ["changed", "modified"], ["rating", "rating"], ["tools", ""],
]);

export class ListHead {
  /** @param {Context} context */
  constructor({ t, view }) {
    this.view = view;
    this.cells = COLUMNS.map(([column, sort]) => make("div", { class: column, role: "columnheader", "data-sort": sort },
      sort ? [make("button", { type: "button", onclick: () => this.order(sort) },
        [t(`sort.${sort}`), icon("down")])] : []));
    this.element = make("div", { class: "list-head", role: "row", "aria-rowindex": "1", hidden: true }, this.cells);
  }

  /** Pixels that it covers of the list. */
  get height() {
    return this.element.hidden ? 0 : this.element.offsetHeight;
  }

  /** @param {string} sort */
  order(sort) {
    const { choice } = this.view;
    this.view.change({ sort, descending: choice.sort === sort && !choice.descending });
  }

  /** @param {Choice} choice */
  show({ list, sort, descending }) {
    this.element.hidden = !list;
    this.cells.forEach((cell) => setAttribute(cell, "aria-sort",
      cell.dataset.sort === sort ? wayOf(sort, descending) : null));
  }
}
