// The virtual grid: about 40 cards for any number of rows, driven by mouse, touch and keyboard.

/** @import {Choice, Context, Row} from "../model/types.js" */
import { Card } from "./card.js";
import { make, setAttribute } from "./dom.js";
import { GridInput } from "./grid_input.js";
import { layoutOf, pictureSizeOf, seenLines } from "./layout.js";
import { ListHead } from "./list_head.js";

const SETTLED_MS = 90;
/** Longer than a fast typist takes for a letter, so that no picture comes in the way of the next. */
const TYPED_MS = 160;
const FAST_PIXELS_PER_MS = 3;

/** @typedef {{element: HTMLElement, cards: Card[]}} Line */

/** Lines are in the order that is seen, so that readers and the tab key meet them in it. */
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
    this.choice = context.view.choice;
    this.layout = layoutOf(0, 1, this.choice);
    /** @type {Map<number, Line>} */
    this.lines = new Map();
    /** @type {Line[]} */
    this.spare = [];
    this.active = 0;
    this.hold = false;
    this.scrolledAt = 0;
    // Kept, because asking the browser for one of them makes it lay out all that has just changed.
    this.box = { top: 0, width: 1, height: 0 };
    this.sizer = make("div", { class: "sizer", role: "presentation" });
    this.head = new ListHead(context);
    this.empty = make("p", { class: "empty", text: context.t("grid.empty"), hidden: true });
    this.element = make("div", {
      class: "grid", role: "grid", tabindex: "0", "aria-label": context.t("grid.label"), "aria-multiselectable": "true",
    }, [this.head.element, this.sizer, this.empty]);
    this.input = new GridInput(context, this);
    this.timer = 0;
    this.listen();
    this.frame = 0;
  }

  listen() {
    this.element.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.context.selection.addEventListener("change", () => this.mark());
    const observer = new ResizeObserver(() => this.measure());
    observer.observe(this.element);
    observer.observe(this.sizer); // a scroll bar that comes and goes
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
    this.head.show(choice);
    this.empty.hidden = rows.length > 0;
    if (fromTop) {
      this.scrollTo(0);
      this.hold = true; // a letter more and other pictures are wanted: names first
      this.settle(TYPED_MS);
    }
    this.resized();
  }

  measure() {
    const { clientHeight: height } = this.element;
    const { clientWidth: width } = this.sizer;
    if (width !== this.box.width || height !== this.box.height) {
      this.box = { top: this.element.scrollTop, width, height };
      this.resized();
    }
  }

  /** @param {number} top */
  scrollTo(top) {
    if (this.box.top !== top) {
      this.element.scrollTop = top;
      this.box.top = this.element.scrollTop; // no further than the end
    }
  }

  resized() {
    const { columns, lineHeight, listed } = this.layout;
    // The clicked card stays in view when the panel takes away columns.
    const first = Math.round(this.box.top / lineHeight) * columns;
    this.layout = layoutOf(this.rows.length, this.box.width, this.choice);
    this.sizer.style.height = `${this.layout.height}px`;
    if (columns !== this.layout.columns && this.box.top > 0) {
      this.scrollTo(Math.floor(first / this.layout.columns) * this.layout.lineHeight);
      this.reveal();
    }
    setAttribute(this.element, "aria-rowcount", this.layout.lines + Number(this.choice.list));
    setAttribute(this.element, "aria-colcount", this.choice.list ? null : this.layout.columns);
    if (columns === this.layout.columns && lineHeight === this.layout.lineHeight && listed === this.layout.listed) {
      this.refresh();
      return;
    }
    this.lines.forEach((line) => line.element.remove());
    this.spare.push(...this.lines.values());
    this.lines.clear();
    this.draw();
  }

  scrolled() {
    const now = performance.now();
    const { scrollTop } = this.element;
    const speed = Math.abs(scrollTop - this.box.top) / Math.max(1, now - this.scrolledAt);
    this.box.top = scrollTop;
    this.scrolledAt = now;
    this.hold = this.hold || speed > FAST_PIXELS_PER_MS;
    this.settle(SETTLED_MS);
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /**
   * Pictures come when nothing has changed for so long.
   * @param {number} milliseconds
   */
  settle(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.hold = false;
      this.refresh();
    }, milliseconds);
  }

  /** Fills the cards again, where only what they show has changed. */
  refresh() {
    const [first, last] = this.seen();
    for (const [place, line] of this.lines) {
      if (place >= first && place < last) {
        this.fill(line, place);
      }
    }
    this.draw();
  }

  seen() {
    return seenLines(this.layout, this.box.top, this.box.height);
  }

  draw() {
    const [first, last] = this.seen();
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
    this.mark();
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
    const { list, blur } = this.choice;
    // In the list the card is the row, so the line around it is nothing.
    setAttribute(line.element, "role", list ? "presentation" : "row");
    setAttribute(line.element, "aria-rowindex", list ? null : place + 1);
    const rows = this.rows.slice(place * columns, (place + 1) * columns);
    while (line.cards.length > rows.length) {
      line.cards.pop()?.element.remove();
    }
    rows.forEach((row, column) => {
      const card = line.cards[column] ?? this.addCard(line);
      card.element.id = `card-${row.key}`;
      card.place(place, column, list);
      card.fill(row, {
        context: this.context, applied: this.context.library.applied, used: this.used(), hold: this.hold,
        pictureSize: pictureSizeOf(this.layout, list), list, blur });
    });
  }

  /** @param {Line} line */
  addCard(line) {
    const card = new Card();
    line.cards.push(card);
    line.element.append(card.element);
    return card;
  }

  /** Shows which card has the keys and which are chosen. */
  mark() {
    const row = this.rows[this.active];
    const { keys } = this.context.selection;
    setAttribute(this.element, "aria-activedescendant", row ? `card-${row.key}` : null);
    this.element.classList.toggle("choosing", keys.size > 0);
    for (const card of this.cards()) {
      card.element.classList.toggle("active", card.row === row);
      setAttribute(card.element, "aria-selected", String(Boolean(card.row && keys.has(card.row.key))));
    }
  }

  cards() {
    return [...this.lines.values()].flatMap((line) => line.cards);
  }

  /** Scrolls so that the active card is seen. */
  reveal() {
    const { columns, lineHeight } = this.layout;
    const top = Math.floor(this.active / columns) * lineHeight;
    const height = this.box.height - this.head.height;
    if (top < this.box.top) {
      this.scrollTo(top);
    } else if (top + lineHeight > this.box.top + height) {
      this.scrollTo(top + lineHeight - height);
    }
    this.draw();
  }

  /** @param {Event} event */
  cardOf(event) {
    const element = /** @type {Element} */ (event.target).closest(".card");
    return this.cards().find((card) => card.element === element) ?? null;
  }

  /**
   * Gives a row the keys.
   * @param {number} place
   */
  activate(place) {
    this.active = Math.max(0, Math.min(place, this.rows.length - 1));
    this.reveal();
  }

  get page() {
    return Math.max(1, Math.floor(this.box.height / this.layout.lineHeight));
  }
}
