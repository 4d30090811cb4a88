// Puts the parts of the page together: what one of them does reaches the others through here.

/** @import {Context, Row} from "./model/types.js" */
import { Prompts } from "./hosts/prompts.js";
import { Api, Problem } from "./model/api.js";
import { NO_FILTERS, passing, searched } from "./model/filter.js";
import { Haystack } from "./model/haystack.js";
import { Library } from "./model/library.js";
import { arranged, ordered } from "./model/order.js";
import { canBeWritten, inserted, readTags, removed, tagText } from "./model/prompt.js";
import { Selection } from "./model/selection.js";
import { ViewState } from "./model/view_state.js";
import { make, setText } from "./view/dom.js";
import { Grid } from "./view/grid.js";
import { Header } from "./view/header.js";
import { Keeping } from "./view/keeping.js";
import { Messages } from "./view/messages.js";
import { Panel } from "./view/panel.js";
import { SelectionBar } from "./view/selection_bar.js";
import { Strip } from "./view/strip.js";
import { Tree } from "./view/tree.js";

// The hosts listen on the whole document: Escape interrupts, Ctrl+Enter generates, a drop of a
// picture is taken for an image to read.
const KEPT_INSIDE = ["keydown", "keyup", "keypress", "paste", "dragover", "drop"];
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
/** They change how rows are shown, not which. */
const FORM = ["size", "list", "blur", "noted"];

export class Page {
  /**
   * @param {import("./model/i18n.js").Translate} t
   * @param {Prompts} prompts
   * @param {Storage | null} storage
   */
  constructor(t, prompts, storage) {
    const api = new Api();
    this.messages = new Messages(t, api);
    /** @type {Context} */
    this.context = {
      t, api, prompts, library: new Library(api), view: new ViewState(storage), selection: new Selection(),
      tell: (message, how) => this.messages.tell(message, how), fail: (problem) => this.messages.fail(problem),
      open: (row) => void this.panel.open(row), use: (row) => this.use(row),
    };
    this.order = new Haystack([]);
    /** @type {ReadonlySet<number> | null} */
    this.used = null;
    this.header = new Header(this.context);
    this.tree = new Tree(this.context);
    this.strip = new Strip(this.context);
    this.grid = new Grid(this.context, () => this.usedKeys());
    this.panel = new Panel(this.context);
    this.bar = new SelectionBar(this.context, () => this.grid.rows);
    this.keeping = new Keeping(this.context, this.grid.element, {
      show: (row) => this.showRow(row), undo: (operation) => this.messages.undo(operation) });
    this.notice = make("p", { class: "notice", role: "status", hidden: true });
    this.element = make("div", { class: "manager" }, [this.header.element, this.strip.element, this.notice,
      make("div", { class: "main" }, [this.tree.element,
        make("div", { class: "stage", onpointerdown: () => this.tree.closeDrawer() }, [this.grid.element, ...this.keeping.layers]), this.panel.element]),
      this.messages.element, this.bar.element]);
    this.tree.tools.append(this.keeping.drop.button);
    this.header.element.querySelector(".bar")?.append(this.keeping.buttons);
    this.listen();
  }

  listen() {
    const { library, prompts, view } = this.context;
    KEPT_INSIDE.forEach((name) => this.element.addEventListener(name, (event) => event.stopPropagation()));
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    this.keeping.drop.listen(this.element);
    library.addEventListener("rows", () => this.reorder());
    library.addEventListener("status", () => this.tree.draw());
    library.addEventListener("applied", () => this.grid.refresh());
    library.addEventListener("connection", () => this.showConnection());
    prompts.addEventListener("change", () => this.promptChanged());
    view.addEventListener("change", (event) => this.viewChanged(
      /** @type {CustomEvent<string[]>} */ (event).detail));
    this.panel.addEventListener("close", () => this.closePanel());
  }

  /** Asks until the server answers: a WebUI serves its page before its routes are there. */
  async load(wait = FIRST_WAIT_MS) {
    try {
      await this.context.library.load();
      this.notice.hidden = true;
    } catch (error) {
      this.say(error instanceof Problem ? error.message : this.context.t("offline"));
      setTimeout(() => this.load(Math.min(wait * 2, LONGEST_WAIT_MS)), wait);
    }
  }

  /** @param {boolean} seen whether the user sees the page now */
  seen(seen) {
    this.context.library.live.show(seen);
  }

  /** @param {string} message */
  say(message) {
    setText(this.notice, message);
    this.notice.hidden = !message;
  }

  showConnection() {
    this.say(this.context.library.connected ? "" : this.context.t("offline"));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const typing = /** @type {Element} */ (event.target).matches("input, textarea, select");
    const inGrid = this.grid.element.contains(/** @type {Node} */ (event.target));
    const focused = inGrid ? this.grid.rows[this.grid.active] : undefined;
    if (!typing && (this.bar.pressed(event, focused) || this.undoPressed(event))) {
      return;
    }
    const { selection } = this.context;
    if (event.key === "Escape" && selection.keys.size && !this.panel.element.contains(/** @type {Node} */ (event.target))) {
      selection.clear();
    } else if (event.key === "Escape" && this.panel.row) {
      this.closePanel();
    } else if (event.key === "Escape" && this.keeping.closeSheet()) {
      event.preventDefault();
    } else if (event.key === "/" && !typing) {
      event.preventDefault();
      this.header.search.focus();
    }
  }

  /** @param {KeyboardEvent} event */
  undoPressed(event) {
    const key = event.key.toLowerCase();
    const again = key === "y" || (key === "z" && event.shiftKey);
    if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== "z" && key !== "y")) {
      return false;
    }
    event.preventDefault();
    void (again ? this.messages.redo() : this.messages.undo());
    return true;
  }

  closePanel() {
    this.panel.close();
    this.grid.element.focus({ preventScroll: true });
  }

  /** @param {readonly string[]} changed */
  viewChanged(changed) {
    if (changed.includes("sort") || changed.includes("descending")) {
      this.sort();
    }
    this.show(!changed.every((name) => FORM.includes(name)));
    this.header.follow();
    if (changed.includes("folder")) {
      this.tree.draw();
    }
  }

  sort() {
    const { library, view: { choice } } = this.context;
    const rows = arranged(library.byKey, this.order.rows);
    this.order = new Haystack(ordered(rows, choice.sort, choice.descending));
  }

  reorder() {
    this.sort();
    this.used = null;
    this.show(false);
    this.tree.draw();
    this.strip.draw();
  }

  /** @param {boolean} fromTop */
  show(fromTop) {
    const { choice } = this.context.view;
    const found = searched(this.order, choice, this.context.library.status.families);
    const rows = passing(found, choice);
    this.grid.show(rows, choice, fromTop);
    this.header.showTotal(rows.length, this.order.rows.length);
    this.header.showCounts(found);
  }

  /**
   * Goes to a row; filters that hide it are taken off.
   * @param {Row} row
   */
  showRow(row) {
    const { view } = this.context;
    if (!this.grid.rows.includes(row)) {
      view.change(NO_FILTERS);
    }
    this.grid.active = Math.max(0, this.grid.rows.indexOf(row));
    this.grid.reveal();
  }

  promptChanged() {
    this.used = null;
    this.strip.draw();
    this.grid.refresh();
  }

  /** Keys of the rows that the prompt names. */
  usedKeys() {
    const { prompts, library } = this.context;
    const tags = readTags(prompts.text);
    this.used ??= new Set(tags.length ? tags.flatMap(
      ({ name }) => library.nameIndex().find(name).map((row) => row.key)) : []);
    return this.used;
  }

  /**
   * Puts a LoRA into the prompt with its first set of trigger words, or takes it out again.
   * @param {Row} row
   */
  use(row) {
    const { prompts, library } = this.context;
    if (!prompts.box || row.status !== "ok" || !canBeWritten(row.shortName)) {
      void this.panel.open(row);
      return;
    }
    const prompt = prompts.text;
    const words = row.words.slice(0, 1);
    const tag = readTags(prompt).find(({ name }) => library.nameIndex().find(name).includes(row));
    prompts.write(tag ? removed(prompt, tag, words)
      : inserted(prompt, tagText(row.shortName, row.strength), words));
  }
}
