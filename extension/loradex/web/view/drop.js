// Files from the desktop, dropped anywhere on the page or chosen with a button, are installed.

/** @import {Place} from "../model/places.js" */
/** @import {Context, Row} from "../model/types.js" */
import { areMedia, droppedFiles, isNetworkFile } from "../model/dropped.js";
import { sender, Uploads } from "../model/uploads.js";
import { make, setText } from "./dom.js";
import { icon } from "./icons.js";
import { folderFor } from "./tree.js";
import { UploadList } from "./upload_list.js";

/** The browser tells no end where the pointer leaves the window; the next dragover does not come. */
const GONE_AFTER_MS = 300;

export class Drop {
  /**
   * @param {Context} context
   * @param {(row: Row) => void} show
   */
  constructor(context, show) {
    const { t } = context;
    this.context = context;
    this.show = show;
    this.uploads = new Uploads(sender(context.api));
    this.list = new UploadList(context, this.uploads, show);
    this.where = make("p", { class: "drop-where", dir: "auto" });
    this.overlay = make("div", { class: "drop-overlay", hidden: true }, [
      make("div", { class: "drop-card" }, [icon("upload"), this.where])]);
    this.input = make("input", { type: "file", multiple: true, accept: ".safetensors", hidden: true, onchange: () => this.picked() });
    this.button = make("button", { type: "button", class: "plain-button", onclick: () => this.input.click() },
      [icon("upload"), make("span", { text: t("uploads.add") })]);
    this.timer = 0;
    /** @type {number[]} keys of installed files whose rows are still to come */
    this.coming = [];
    /** @type {Set<number>} keys of those that were shown */
    this.seen = new Set();
    this.uploads.addEventListener("done", () => this.done());
    context.library.addEventListener("rows", () => this.reveal());
    context.library.addEventListener("status", () => this.drawLocked());
  }

  /**
   * Everything that holds files is ours here: no drop may leave the page for the file, and none
   * reaches the host, which would read a picture's prompt out of it.
   * @param {HTMLElement} manager
   */
  listen(manager) {
    manager.addEventListener("dragover", (event) => this.dragged(event));
    manager.addEventListener("drop", (event) => void this.dropped(event));
  }

  drawLocked() {
    const { locked } = this.context.library.status;
    this.button.disabled = Boolean(locked);
    this.button.title = locked || "";
  }

  /** @param {DragEvent} event */
  dragged(event) {
    const { dataTransfer } = event;
    if (!dataTransfer?.types.includes("Files") || event.defaultPrevented) {
      return; // the details take pictures themselves
    }
    event.preventDefault();
    const { locked } = this.context.library.status;
    dataTransfer.dropEffect = locked ? "none" : "copy";
    setText(this.where, locked || this.sentence(event));
    this.overlay.hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.overlay.hidden = true;
    }, GONE_AFTER_MS);
  }

  /** @param {DragEvent} event */
  sentence(event) {
    const { t } = this.context;
    const row = this.pictured(event);
    return row ? t("drop.picture", { name: row.label })
      : t("drop.install", { folder: folderFor(this.context, event.target).name });
  }

  /**
   * The LoRA under the pointer, where all that is dragged are pictures.
   * @param {DragEvent} event
   */
  pictured(event) {
    const card = /** @type {Element} */ (event.target).closest?.(".card");
    const media = card && areMedia([...event.dataTransfer?.items ?? []]);
    return media ? this.context.library.byKey.get(Number(card.id.replace("card-", ""))) : undefined;
  }

  /** @param {DragEvent} event */
  async dropped(event) {
    if (!event.dataTransfer?.types.includes("Files") || event.defaultPrevented) {
      return;
    }
    event.preventDefault();
    this.overlay.hidden = true;
    if (this.context.library.status.locked) {
      return;
    }
    const row = this.pictured(event);
    const { place } = folderFor(this.context, event.target);
    const files = await droppedFiles(event.dataTransfer);
    if (row) {
      await this.picture(row, files[0].file);
    } else {
      this.install(files, place);
    }
  }

  /**
   * @param {Row} row
   * @param {File} file
   */
  async picture(row, file) {
    const { api, t, tell, fail } = this.context;
    try {
      const { operation } = await api.send("PUT", `previews/${row.key}`, file);
      tell(t("done.picture", { name: row.label }), { undo: operation });
    } catch (problem) {
      fail(problem);
    }
  }

  /**
   * @param {readonly import("../model/dropped.js").Dropped[]} files
   * @param {Place} place
   */
  install(files, { root, folder }) {
    // Out of a folder only what can be a LoRA; a single file is for the server to judge.
    const wanted = files.filter((one) => !one.folder || isNetworkFile(one.file.name));
    for (const { file, folder: below } of wanted) {
      this.uploads.add([file], { root, folder: [folder, below].filter(Boolean).join("/") });
    }
    if (!wanted.length) {
      this.context.tell(this.context.t("drop.nothing"));
    }
  }

  picked() {
    const { place } = folderFor(this.context);
    this.uploads.add([...this.input.files ?? []], place);
    this.input.value = "";
  }

  done() {
    const keys = this.uploads.list.flatMap((one) => (one.network ? [one.network.key] : []));
    this.coming = keys.filter((key) => !this.seen.has(key));
    this.reveal();
  }

  /** Chooses and shows what was installed, as soon as all of it is in the list. */
  reveal() {
    const { library, selection, open } = this.context;
    const rows = this.coming.flatMap((key) => library.byKey.get(key) ?? []);
    if (rows.length && rows.length === this.coming.length) {
      this.coming.forEach((key) => this.seen.add(key));
      this.coming = [];
      selection.set(rows.map((row) => row.key));
      this.show(rows[0]);
      if (rows.length === 1) {
        open(rows[0]);
      }
    }
  }
}
