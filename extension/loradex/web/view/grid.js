// The virtual grid: about 40 cards for any number of rows, driven by mouse, touch and keyboard.

/** @import {Choice, Context, Row} from "../model/types.js" */
import { tagText } from "../model/prompt.js";
import { Card } from "./card.js";
import { later, make, setAttribute } from "./dom.js";
import { layoutOf, placeAfter, seenLines } from "./layout.js";

const SETTLED_MS = 90;
const FAST_PIXELS_PER_MS = 3;

/** @typedef {{element: HTMLElement, cards: Card[]}} Line */

/**
 * A click or Enter uses a LoRA, Space opens its details, F makes it a favourite. Lines are in the order that is seen, so that readers and the tab key meet them in it.
 */
export class Grid {
  /**
   * @param {Context} context
   * @param {() => ReadonlySet<number>} used keys of the rows in the prompt
   */
  constructor(context, used) {
    this.context = context;
    this.used = used;
    /** @type {readonly Row[]} */
    this.rows = [];
    this.choice = { size: 190, list: false };
    this.layout = layoutOf(0, 1, this.choice);
    /** @type {Map<number, Line>} */
    this.lines = new Map();
    /** @type {Line[]} */
    this.spare = [];
    this.active = 0;
    this.hold = false;
    this.lastScroll = { top: 0, at: 0 };
    this.sizer = make("div", { class: "sizer", role: "presentation" });
    this.element = make("div", { class: "grid", role: "grid", tabindex: "0", "aria-label": context.t("grid.label") }, [this.sizer]);
    this.settle = later(() => {
      this.hold = false;
      this.refresh();
    }, SETTLED_MS);
    this.listen();
    this.frame = 0;
  }

  listen() {
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.element.addEventListener("click", (event) => this.clicked(event));
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    this.element.addEventListener("dragstart", (event) => this.tell("drag", event, event));
    new ResizeObserver(() => this.resized()).observe(this.element);
  }

  /**
   * @param {readonly Row[]} rows
   * @param {Choice} choice
   * @param {boolean} fromTop a new question starts at the top, a change of files does not
   */
  show(rows, choice, fromTop) {
    const kept = this.rows[this.active]?.key;
    this.rows = rows;
    this.choice = choice;
    const place = fromTop ? 0 : rows.findIndex((row) => row.key === kept);
    this.active = Math.max(0, place);
    this.element.classList.toggle("as-list", choice.list);
    if (fromTop) {
      this.element.scrollTop = 0;
    }
    this.resized();
  }

  resized() {
    const { columns, lineHeight } = this.layout;
    // The clicked card stays in view when the panel takes away columns.
    const first = Math.round(this.element.scrollTop / lineHeight) * columns;
    this.layout = layoutOf(this.rows.length, this.sizer.clientWidth, this.choice);
    this.sizer.style.height = `${this.layout.height}px`;
    if (columns !== this.layout.columns && this.element.scrollTop > 0) {
      this.element.scrollTop = Math.floor(first / this.layout.columns) * this.layout.lineHeight;
      this.reveal();
    }
    setAttribute(this.element, "aria-rowcount", this.layout.lines);
    setAttribute(this.element, "aria-colcount", this.layout.columns);
    this.lines.forEach((line) => line.element.remove());
    this.spare.push(...this.lines.values());
    this.lines.clear();
    this.draw();
  }

  scrolled() {
    const now = performance.now();
    const { top, at } = this.lastScroll;
    const speed = Math.abs(this.element.scrollTop - top) / Math.max(1, now - at);
    this.lastScroll = { top: this.element.scrollTop, at: now };
    this.hold = this.hold || speed > FAST_PIXELS_PER_MS;
    this.settle();
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /** Fills the cards again, where only what they show has changed. */
  refresh() {
    for (const [place, line] of this.lines) {
      this.fill(line, place);
    }
    this.draw();
  }

  draw() {
    const [first, last] = seenLines(this.layout, this.element.scrollTop, this.element.clientHeight);
    for (const [place, line] of this.lines) {
      if (place < first || place >= last) {
        this.lines.delete(place);
        this.spare.push(line);
        line.element.remove();
      }
    }
    /** @type {ChildNode | null} */
    let next = this.sizer.firstChild;
    for (let place = first; place < last; place += 1) {
      const line = this.lines.get(place) ?? this.add(place, next);
      next = line.element.nextSibling;
    }
    this.markActive();
  }

  /**
   * @param {number} place
   * @param {Node | null} before
   */
  add(place, before) {
    const line = this.spare.pop() ?? { element: make("div", { class: "line", role: "row" }), cards: [] };
    this.lines.set(place, line);
    this.fill(line, place);
    this.sizer.insertBefore(line.element, before);
    return line;
  }

  /**
   * @param {Line} line
   * @param {number} place
   */
  fill(line, place) {
    const { columns, lineHeight } = this.layout;
    line.element.style.transform = `translateY(${place * lineHeight}px)`;
    line.element.style.height = `${lineHeight}px`;
    line.element.style.setProperty("--columns", String(columns));
    setAttribute(line.element, "aria-rowindex", place + 1);
    const rows = this.rows.slice(place * columns, (place + 1) * columns);
    while (line.cards.length > rows.length) {
      line.cards.pop()?.element.remove();
    }
    rows.forEach((row, column) => {
      const card = line.cards[column] ?? this.addCard(line);
      card.element.id = `card-${row.key}`;
      setAttribute(card.element, "aria-colindex", column + 1);
      card.fill(row, {
        context: this.context, applied: this.context.library.applied, used: this.used(), hold: this.hold });
    });
  }

  /** @param {Line} line */
  addCard(line) {
    const card = new Card();
    line.cards.push(card);
    line.element.append(card.element);
    return card;
  }

  markActive() {
    const row = this.rows[this.active];
    setAttribute(this.element, "aria-activedescendant", row ? `card-${row.key}` : null);
    for (const { cards } of this.lines.values()) {
      for (const card of cards) {
        const active = card.row === row;
        card.element.classList.toggle("active", active);
        setAttribute(card.element, "aria-selected", String(active));
      }
    }
  }

  /** Scrolls so that the active card is seen. */
  reveal() {
    const { columns, lineHeight } = this.layout;
    const top = Math.floor(this.active / columns) * lineHeight;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) {
      this.element.scrollTop = top;
    } else if (top + lineHeight > scrollTop + clientHeight) {
      this.element.scrollTop = top + lineHeight - clientHeight;
    }
    this.draw();
  }

  /** @param {Event} event */
  cardOf(event) {
    const target = /** @type {Element} */ (event.target);
    const element = target.closest(".card");
    for (const { cards } of this.lines.values()) {
      const card = cards.find((one) => one.element === element);
      if (card) {
        return card;
      }
    }
    return null;
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const card = this.cardOf(event);
    if (!card?.row) {
      return;
    }
    this.active = this.rows.indexOf(card.row);
    this.markActive();
    const button = /** @type {Element} */ (event.target).closest("[data-do]");
    const what = button?.getAttribute("data-do");
    this.tell(what === "info" ? "open" : what ?? "use", event);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.layout.lineHeight));
    const { columns } = this.layout;
    const place = placeAfter(event.key, this.active, this.rows.length, { columns, page });
    const keys = /** @type {Record<string, string>} */ ({ Enter: "use", " ": "open", i: "open", f: "star" });
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) {
      return;
    }
    if (place !== null) {
      this.active = place;
      this.reveal();
      event.preventDefault();
    } else if (event.key in keys) {
      event.preventDefault();
      this.tell(keys[event.key], event);
    }
  }

  /**
   * @param {string} name
   * @param {Event} event
   * @param {DragEvent} [drag]
   */
  tell(name, event, drag) {
    const row = drag ? this.cardOf(event)?.row : this.rows[this.active];
    const { use, open, library, fail } = this.context;
    if (row && name === "star") {
      library.edit(row, { favourite: !row.favourite }).catch(fail);
    } else if (row && drag) {
      drag.dataTransfer?.setData("text/plain", tagText(row.shortName, row.strength));
    } else if (row) {
      (name === "open" ? open : use)(row);
    }
  }
}
