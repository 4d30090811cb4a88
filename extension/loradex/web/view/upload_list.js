// The files that come in: a line for each with its progress, its end and what can be done then.

/** @import {Upload, Uploads} from "../model/uploads.js" */
/** @import {Context, Row} from "../model/types.js" */
import { tryOut } from "../model/operations.js";
import { folderPath, pathOf } from "../model/places.js";
import { sizeText } from "../model/sizes.js";
import { make, setAttribute, setText } from "./dom.js";
import { icon } from "./icons.js";
import { problemNodes } from "./problem.js";

export class UploadList {
  /**
   * @param {Context} context
   * @param {Uploads} uploads
   * @param {(row: Row) => void} show
   */
  constructor(context, uploads, show) {
    const { t } = context;
    this.context = context;
    this.uploads = uploads;
    this.show = show;
    /** @type {Map<number, {element: HTMLElement, state: string, bar: HTMLProgressElement, words: HTMLElement}>} */
    this.lines = new Map();
    this.title = make("strong", { role: "status" });
    this.list = make("ul", { class: "upload-lines" });
    this.element = make("section", { class: "uploads", "aria-label": t("uploads.label"), hidden: true }, [
      make("div", { class: "uploads-head" }, [this.title, make("button", {
        type: "button", class: "icon-button quiet", "aria-label": t("uploads.close"), onclick: () => uploads.clear(),
      }, [icon("close")])]), this.list,
    ]);
    uploads.addEventListener("change", () => this.draw());
    context.library.addEventListener("rows", () => this.redraw());
  }

  draw() {
    const { t } = this.context;
    const { list } = this.uploads;
    const left = list.filter((one) => ["waiting", "sending", "checking"].includes(one.state)).length;
    this.element.hidden = !list.length;
    setText(this.title, left ? t("uploads.left", { count: left }) : t("uploads.ready"));
    const numbers = new Set(list.map((one) => one.number));
    for (const [number, line] of this.lines) {
      if (!numbers.has(number)) {
        line.element.remove();
        this.lines.delete(number);
      }
    }
    list.forEach((upload) => this.line(upload));
  }

  /** The buttons of what is done need its row, which comes a moment later. */
  redraw() {
    for (const line of this.lines.values()) {
      line.state = line.state === "done" ? "" : line.state;
    }
    this.draw();
  }

  /** @param {Upload} upload */
  line(upload) {
    const line = this.lines.get(upload.number) ?? this.add(upload);
    line.bar.value = upload.sent;
    if (upload.state !== line.state) {
      line.state = upload.state;
      setAttribute(line.element, "data-state", upload.state);
      line.bar.hidden = !["waiting", "sending", "checking"].includes(upload.state);
      line.words.replaceChildren(...this.words(upload), make("div", { class: "upload-buttons" }, this.buttons(upload)));
    }
  }

  /** @param {Upload} upload */
  add(upload) {
    const { t, library } = this.context;
    const { name, size } = upload.file;
    const where = t("uploads.into", {
      folder: folderPath(pathOf(upload.place), library.status.roots), size: sizeText(t, size) });
    const bar = make("progress", { max: Math.max(size, 1), value: 0, "aria-label": name });
    const words = make("div", { class: "upload-words" });
    const element = make("li", { class: "upload" }, [
      make("div", { class: "upload-name", text: name, dir: "auto" }), make("div", { class: "hint", text: where, dir: "auto" }), bar, words]);
    const line = { element, bar, words, state: "" };
    this.lines.set(upload.number, line);
    this.list.append(element);
    return line;
  }

  /**
   * @param {Upload} upload
   * @returns {Node[]}
   */
  words({ state, problem, duplicateOf }) {
    const { t } = this.context;
    if (state === "failed") {
      const lost = problem instanceof Error && !problem.message;
      return lost ? [make("p", { text: t("uploads.lost") })] : problemNodes(problem);
    }
    if (state === "done" && duplicateOf.length) {
      return [make("p", { class: "warning", text: t("uploads.duplicate", { name: duplicateOf.join(", ") }), dir: "auto" })];
    }
    return [make("p", { text: t(`uploads.${state}`) })];
  }

  /**
   * @param {Upload} upload
   * @returns {Node[]}
   */
  buttons(upload) {
    const { t, library } = this.context;
    const { name } = upload.file;
    const row = upload.network && library.byKey.get(upload.network.key);
    const twin = upload.duplicateOf.length && library.rows.find((one) => one.id === upload.duplicateOf[0]);
    /** @type {[boolean, string, () => void][]} */
    const all = [
      [["waiting", "sending", "checking"].includes(upload.state), "uploads.cancel", () => this.uploads.cancel(upload)],
      [["failed", "cancelled"].includes(upload.state), "uploads.retry", () => this.uploads.retry(upload)],
      [Boolean(row), "uploads.show", () => row && this.show(row)],
      [Boolean(twin), "uploads.twin", () => twin && this.show(twin)],
      [Boolean(row && twin), "uploads.remove", () => row && void this.remove(row)],
    ];
    return all.filter(([there]) => there).map(([, word, onclick]) => make("button", {
      type: "button", class: "plain-button", text: t(word), "aria-label": t("uploads.what", { what: t(word), name }), onclick }));
  }

  /** @param {Row} row */
  remove(row) {
    return tryOut(this.context, { action: "trash", keys: [row.key] }, this.context.t("done.trash", { count: 1 }));
  }
}
