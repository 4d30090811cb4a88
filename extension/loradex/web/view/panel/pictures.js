// The picture of a LoRA, large; another one comes by drop, file, paste or from the last generation.

/** @import {Context} from "../../model/types.js" */
import { clipboardPicture } from "../../hosts/clipboard.js";
import { lastPicture, pictureFile } from "../../hosts/pictures.js";
import { areMedia } from "../../model/dropped.js";
import { make } from "../dom.js";
import { icon } from "../icons.js";
import { lock, Part } from "./part.js";

const WIDTH = 640;

export class Pictures {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    /** @type {import("../../model/types.js").Row | null} */
    this.row = null;
    this.stage = new Part(({ row }) => [row.preview, row.media, this.isVeiled(row)], (_, { row }) => this.draw(row));
    this.input = make("input", {
      type: "file", accept: "image/*,video/mp4,video/webm", hidden: true, "aria-label": t("picture.file"), onchange: () => this.picked(),
    });
    this.remove = this.button("trash", "picture.remove", () => this.take(null));
    this.buttons = [
      this.button("upload", "picture.file", async () => this.input.click()),
      this.button("copies", "picture.paste", () => this.paste()),
      this.button("grid", "picture.last", () => this.useLast()), this.remove,
    ];
    this.element = make("div", { class: "pictures", role: "group", "aria-label": t("panel.preview") }, [
      this.stage.element, make("div", { class: "picture-tools" }, this.buttons), this.input]);
  }

  /**
   * The whole panel takes pictures.
   * @param {HTMLElement} panel
   */
  listen(panel) {
    panel.addEventListener("dragover", (event) => this.dragged(event));
    panel.addEventListener("dragleave", () => panel.classList.remove("drop-picture"));
    panel.addEventListener("drop", (event) => this.dropped(event));
    panel.addEventListener("paste", (event) => this.pasted(event));
  }

  /**
   * @param {string} picture
   * @param {string} word
   * @param {() => Promise<unknown>} act
   */
  button(picture, word, act) {
    const name = this.context.t(word);
    return make("button", {
      type: "button", class: "plain-button", onclick: () => void act().catch(this.context.fail),
    }, [icon(picture), make("span", { text: name })]);
  }

  /** @param {import("./part.js").Shown} shown */
  show(shown) {
    this.row = shown.row;
    this.stage.show(shown);
    lock(this.context, this.buttons);
    this.remove.hidden = !shown.row.preview;
  }

  /** @param {import("../../model/types.js").Row} row */
  isVeiled(row) {
    const { blur } = this.context.view.choice;
    return blur > 0 && row.nsfw >= blur;
  }

  /** @param {import("../../model/types.js").Row} row */
  draw(row) {
    const { api, t } = this.context;
    if (!row.preview) {
      return [make("p", { class: "picture-none", text: t("picture.none") })];
    }
    const name = row.label;
    const picture = row.media === "video"
      ? make("video", { class: "big", controls: true, loop: true, playsinline: true, preload: "metadata", "aria-label": t("picture.of", { name }),
        src: api.address(`previews/${row.key}/file`, { v: row.preview }).href })
      : make("img", { class: "big", src: api.preview(row, WIDTH), alt: t("picture.of", { name }) });
    picture.addEventListener("error", () => picture.classList.add("gone"));
    return this.isVeiled(row) ? [this.veiled(picture)] : [picture];
  }

  /** @param {HTMLElement} picture */
  veiled(picture) {
    const veil = make("button", { type: "button", class: "veil plain-button", text: this.context.t("picture.unveil"),
      onclick: () => veil.remove() });
    return make("div", { class: "veiled" }, [picture, veil]);
  }

  /** @param {DragEvent} event */
  dragged(event) {
    if (this.row && areMedia([...event.dataTransfer?.items ?? []]) && !this.context.library.status.locked) {
      event.preventDefault(); // the list would take it for a file to install
      /** @type {HTMLElement} */ (event.currentTarget).classList.add("drop-picture");
    }
  }

  /** @param {DragEvent} event */
  dropped(event) {
    /** @type {HTMLElement} */ (event.currentTarget).classList.remove("drop-picture");
    const file = event.dataTransfer?.files[0];
    if (file && areMedia([...event.dataTransfer?.items ?? []]) && !this.context.library.status.locked) {
      event.preventDefault();
      void this.take(file);
    }
  }

  /** @param {ClipboardEvent} event */
  pasted(event) {
    const file = [...event.clipboardData?.files ?? []].find(({ type }) => /^(image|video)\//.test(type));
    if (file && !this.context.library.status.locked) {
      event.preventDefault();
      void this.take(file);
    }
  }

  picked() {
    const [file] = this.input.files ?? [];
    this.input.value = "";
    if (file) {
      void this.take(file);
    }
  }

  async paste() {
    const { t, tell } = this.context;
    const file = await clipboardPicture();
    await (file ? this.take(file) : tell(t("picture.paste.none")));
  }

  async useLast() {
    const { t, tell, prompts } = this.context;
    const shown = lastPicture(document, prompts.last);
    const file = shown && await pictureFile(shown);
    await (file ? this.take(file) : tell(t("picture.last.none")));
  }

  /** @param {Blob | null} file null takes the picture away */
  async take(file) {
    const { api, t, tell, fail } = this.context;
    const { row } = this;
    if (!row) {
      return;
    }
    const name = row.label;
    try {
      const { operation } = await api.send(file ? "PUT" : "DELETE", `previews/${row.key}`, file ?? undefined);
      tell(t(file ? "done.picture" : "done.picture.removed", { name }), operation ? { undo: operation } : {});
    } catch (problem) {
      fail(problem);
    }
  }
}
