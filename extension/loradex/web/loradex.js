// The element <loradex-manager>: puts the parts of the page together and mounts them.

/** @import {Choice, Row} from "./model/types.js" */
import { Prompts } from "./hosts/prompts.js";
import { EVERYTHING, chosen } from "./model/filter.js";
import { folderTree } from "./model/folders.js";
import { chooseLanguage, loadLanguage } from "./model/i18n.js";
import { Library } from "./model/library.js";
import { ordered } from "./model/order.js";
import { canBeWritten, inserted, readTags, removed, tagText } from "./model/prompt.js";
import { make, setText } from "./view/dom.js";
import { Grid } from "./view/grid.js";
import { Header } from "./view/header.js";
import { Panel } from "./view/panel.js";
import { Strip } from "./view/strip.js";
import { folderList } from "./view/tree.js";

// The hosts listen on the whole document: Escape interrupts, Ctrl+Enter generates, a drop of a
// picture is taken for an image to read.
const KEPT_INSIDE = ["keydown", "keyup", "keypress", "paste", "dragover", "drop"];

class LoradexManager extends HTMLElement {
  constructor() {
    super();
    this.library = new Library();
    this.prompts = new Prompts();
    /** @type {Choice} */
    this.choice = EVERYTHING;
    /** @type {readonly Row[]} */
    this.order = [];
    this.root = this.attachShadow({ mode: "open" });
    this.seen = new IntersectionObserver((all) => this.noticeSeen(all.some((one) => one.isIntersecting)));
    this.inView = false;
    this.started = false;
    this.onVisibility = () => this.noticeSeen(this.inView);
  }

  connectedCallback() {
    this.seen.observe(this);
    this.prompts.connect();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  disconnectedCallback() {
    this.seen.disconnect();
    this.prompts.disconnect();
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.library.live.show(false);
  }

  /** @param {boolean} inView */
  noticeSeen(inView) {
    this.inView = inView;
    const seen = inView && document.visibilityState === "visible";
    this.classList.toggle("dark", Boolean(document.querySelector("body.dark, html.dark, .dark > gradio-app"))
      || (!document.querySelector("gradio-app") && matchMedia("(prefers-color-scheme: dark)").matches));
    if (seen && !this.started) {
      this.started = true;
      this.start();
    }
    this.library.live.show(seen);
  }

  async start() {
    const language = chooseLanguage([this.lang, document.documentElement.lang, ...navigator.languages]);
    this.t = await loadLanguage(language);
    this.build(this.t);
    this.listen();
    await this.load();
  }

  /** Asks until the server answers: a WebUI serves its page before its routes are there. */
  async load(wait = 500) {
    try {
      await this.library.load();
    } catch (error) {
      setText(this.notice, error instanceof Error ? error.message : String(error));
      this.notice.hidden = false;
      setTimeout(() => this.load(Math.min(wait * 2, 15000)), wait);
      return;
    }
    this.notice.hidden = true;
  }

  /** @param {import("./model/i18n.js").Translate} t */
  build(t) {
    this.header = new Header(t, () => this.choice, (changes) => this.change(changes));
    this.grid = new Grid(() => ({
      t, applied: this.library.applied, used: this.used(), hold: false }));
    this.grid.element.setAttribute("aria-label", t("grid.label"));
    this.panel = new Panel(t);
    this.strip = new Strip(t, this.prompts, () => this.library.nameIndex());
    this.tree = make("nav", { class: "tree", "aria-label": t("tree.label") });
    this.notice = make("p", { class: "notice", role: "status", hidden: true });
    const wrapper = make("div", { class: "manager" }, [this.header.element, this.strip.element, this.notice,
      make("div", { class: "main" }, [this.tree, this.grid.element, this.panel.element])]);
    KEPT_INSIDE.forEach((name) => wrapper.addEventListener(name, (event) => event.stopPropagation()));
    wrapper.addEventListener("keydown", (event) => this.pressed(event));
    const style = make("link", { rel: "stylesheet", href: new URL("styles/manager.css", import.meta.url).href });
    this.root.replaceChildren(style, wrapper);
  }

  listen() {
    const { library, grid, panel } = this;
    library.addEventListener("rows", () => this.reorder());
    library.addEventListener("status", () => this.drawTree());
    library.addEventListener("applied", () => grid.refresh());
    library.addEventListener("connection", () => {
      setText(this.notice, library.connected ? "" : this.t("offline"));
      this.notice.hidden = library.connected;
    });
    this.prompts.addEventListener("change", () => this.promptChanged());
    this.on(grid, "use", ({ row }) => this.use(row));
    this.on(grid, "open", ({ row }) => panel.open(row));
    this.on(grid, "star", ({ row }) => this.edit(row, { favourite: !row.favourite }));
    this.on(grid, "drag", ({ row, drag }) => drag.dataTransfer?.setData("text/plain",
      tagText(row.shortName, row.strength)));
    this.on(panel, "use", (row) => this.use(row));
    this.on(panel, "edit", ({ row, changes }) => this.edit(row, changes));
    this.on(panel, "word", (word) => this.prompts.write(
      [this.prompts.text.trimEnd().replace(/,$/, ""), word].filter(Boolean).join(", ")));
    this.on(panel, "close", () => this.closePanel());
  }

  /**
   * @param {EventTarget} target
   * @param {string} name
   * @param {(detail: any) => void} action
   */
  on(target, name, action) {
    target.addEventListener(name, (event) => action(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const typing = /** @type {Element} */ (event.target).matches("input, textarea, select");
    if (event.key === "Escape" && this.panel?.row) {
      this.closePanel();
    } else if (event.key === "/" && !typing) {
      event.preventDefault();
      this.header?.search.focus();
    }
  }

  closePanel() {
    this.panel?.close();
    this.grid?.element.focus({ preventScroll: true });
  }

  /** @param {Partial<Choice>} changes */
  change(changes) {
    const before = this.choice;
    this.choice = { ...before, ...changes };
    if ("sort" in changes || "descending" in changes) {
      this.order = ordered(this.library.rows, this.choice.sort, this.choice.descending);
    }
    this.show(!("size" in changes || "list" in changes));
    if ("folder" in changes) {
      this.drawTree();
    }
  }

  reorder() {
    this.order = ordered(this.library.rows, this.choice.sort, this.choice.descending);
    this.show(false);
    this.drawTree();
    this.strip?.draw();
  }

  /** @param {boolean} fromTop */
  show(fromTop) {
    const rows = chosen(this.order, this.choice);
    this.grid?.show(rows, this.choice, fromTop);
    this.header?.showTotal(rows.length, this.order.length);
    this.header?.showCounts(this.order);
  }

  drawTree() {
    const folders = folderTree(this.library.rows, this.library.status.roots);
    this.tree?.replaceChildren(...folderList(this.t, folders, this.choice.folder,
      (folder) => this.change({ folder })));
  }

  promptChanged() {
    this.usedKeys = undefined;
    this.strip?.draw();
    this.grid?.refresh();
  }

  /** Keys of the rows that the prompt names. */
  used() {
    this.usedKeys ??= new Set(readTags(this.prompts.text).flatMap(
      ({ name }) => this.library.nameIndex().find(name).map((row) => row.key)));
    return this.usedKeys;
  }

  /**
   * Puts a LoRA into the prompt with its first set of trigger words, or takes it out again.
   * @param {Row} row
   */
  use(row) {
    if (!this.prompts.box || row.status !== "ok" || !canBeWritten(row.shortName)) {
      this.panel?.open(row);
      return;
    }
    const prompt = this.prompts.text;
    const words = row.words.slice(0, 1);
    const tag = readTags(prompt).find(({ name }) => this.library.nameIndex().find(name).includes(row));
    this.prompts.write(tag ? removed(prompt, tag, words)
      : inserted(prompt, tagText(row.shortName, row.strength), words));
  }

  /**
   * @param {Row} row
   * @param {Partial<Row>} changes
   */
  async edit(row, changes) {
    try {
      await this.library.edit(row, changes);
    } catch (error) {
      setText(this.notice, error instanceof Error ? error.message : String(error));
      this.notice.hidden = false;
    }
  }
}

if (!customElements.get("loradex-manager")) {
  customElements.define("loradex-manager", LoradexManager);
}
