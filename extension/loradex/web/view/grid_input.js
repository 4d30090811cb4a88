// What mouse, touch and keys do in the grid: use, open, choose several, and drag.

/** @import {Context, Row} from "../model/types.js" */
/** @import {Grid} from "./grid.js" */
import { canBeWritten, tagText } from "../model/prompt.js";
import { CardMotion } from "./card_motion.js";
import { placeAfter } from "./layout.js";

/** What is dragged: the keys of the rows as a JSON list. */
export const DRAGGED = "application/x-loradex-keys";
const LONG_PRESS_MS = 450;

/**
 * A click or Enter uses a LoRA. With Ctrl or Shift, by the box in its corner, X or a long press it
 * is chosen; Space opens its details, F makes it a favourite.
 */
export class GridInput {
  /**
   * @param {Context} context
   * @param {Grid} grid
   */
  constructor(context, grid) {
    this.context = context;
    this.grid = grid;
    this.motion = new CardMotion(context);
    this.press = 0;
    this.pressed = false;
    const { element } = grid;
    element.addEventListener("click", (event) => this.clicked(event));
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("dragstart", (event) => this.dragged(event));
    element.addEventListener("pointerdown", (event) => this.down(event));
    ["pointerup", "pointercancel", "scroll"].forEach((name) => (
      element.addEventListener(name, () => clearTimeout(this.press), { passive: true })));
    element.addEventListener("contextmenu", (event) => this.pressed && event.preventDefault());
    element.addEventListener("pointerover", (event) => this.hovered(event));
    element.addEventListener("pointerleave", () => this.motion.stop());
  }

  /** @param {PointerEvent} event */
  hovered(event) {
    const card = event.pointerType === "mouse" ? this.grid.cardOf(event) : null;
    const veiled = card?.picture.classList.contains("veiled");
    this.motion.play(veiled ? null : card?.row ?? null, card?.picture ?? null);
  }

  /**
   * A finger that rests on a card chooses it.
   * @param {PointerEvent} event
   */
  down(event) {
    this.pressed = false;
    clearTimeout(this.press);
    const row = event.pointerType === "touch" ? this.grid.cardOf(event)?.row : null;
    if (row) {
      this.press = setTimeout(() => {
        this.pressed = true;
        this.context.selection.toggle(row.key);
      }, LONG_PRESS_MS);
    }
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const row = this.grid.cardOf(event)?.row;
    if (!row || this.pressed) {
      this.pressed = false; // the click that ends a long press
      return;
    }
    const { selection } = this.context;
    const what = /** @type {Element} */ (event.target).closest("[data-do]")?.getAttribute("data-do");
    const touch = event instanceof PointerEvent && event.pointerType === "touch";
    this.grid.active = this.grid.rows.indexOf(row);
    if (event.shiftKey && (!what || what === "check")) {
      this.chooseTo(this.grid.active);
    } else if (what === "check" || (!what && (event.ctrlKey || event.metaKey || (touch && selection.keys.size)))) {
      selection.toggle(row.key);
    } else {
      this.act(what === "info" ? "open" : what ?? "use", row);
    }
    if (what === "check" || what === "star") {
      this.grid.element.focus({ preventScroll: true }); // the button goes when the lines are laid anew
    }
    this.grid.mark();
  }

  /**
   * Everything from where choosing began to a place, instead of what was chosen.
   * @param {number} place
   */
  chooseTo(place) {
    const { selection } = this.context;
    const { rows } = this.grid;
    const anchor = rows.findIndex((row) => row.key === selection.anchor);
    const from = anchor < 0 ? place : anchor;
    const range = rows.slice(Math.min(from, place), Math.max(from, place) + 1);
    selection.set(range.map((row) => row.key), rows[from]?.key ?? 0);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { grid, context: { selection } } = this;
    const row = grid.rows[grid.active];
    const ctrl = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.altKey || !row || /** @type {Element} */ (event.target).closest("button, input")) {
      return;
    }
    if (ctrl && key === "a") {
      selection.set(grid.rows.map((one) => one.key), row.key);
    } else if (key === "x" && !ctrl || ctrl && key === " ") {
      selection.toggle(row.key);
    } else if (!this.moved(event, row) && (ctrl || !this.acted(key, row))) {
      return;
    }
    event.preventDefault();
  }

  /**
   * @param {KeyboardEvent} event
   * @param {Row} row
   */
  moved(event, row) {
    const { grid, context: { selection } } = this;
    const { columns } = grid.layout;
    const place = placeAfter(event.key, grid.active, grid.rows.length, { columns, page: grid.page });
    if (place === null) {
      return false;
    }
    if (event.shiftKey && !selection.keys.size) {
      selection.set([row.key], row.key);
    }
    grid.activate(place);
    if (event.shiftKey) {
      this.chooseTo(grid.active);
    }
    return true;
  }

  /**
   * @param {string} key
   * @param {Row} row
   */
  acted(key, row) {
    const actions = /** @type {Record<string, string>} */ ({ Enter: "use", " ": "open", i: "open", f: "star" });
    if (!(key in actions)) {
      return false;
    }
    this.act(actions[key], row);
    return true;
  }

  /**
   * @param {string} name
   * @param {Row} row
   */
  act(name, row) {
    const { use, open, library, fail } = this.context;
    if (name === "star") {
      library.edit(row, { favourite: !row.favourite }).catch(fail);
    } else {
      (name === "open" ? open : use)(row);
    }
  }

  /**
   * One of several that are chosen takes the others along.
   * @param {DragEvent} event
   */
  dragged(event) {
    const row = this.grid.cardOf(event)?.row;
    const { dataTransfer: data } = event;
    if (!row || !data) {
      return;
    }
    const { selection: { keys }, library } = this.context;
    const taken = keys.has(row.key) ? [...keys] : [row.key];
    const rows = taken.flatMap((key) => library.byKey.get(key) ?? []);
    const tags = rows.filter((one) => one.status === "ok" && canBeWritten(one.shortName))
      .map((one) => tagText(one.shortName, one.strength));
    data.setData(DRAGGED, JSON.stringify(taken));
    data.setData("text/plain", tags.join(" "));
    data.effectAllowed = "copyMove";
  }
}
