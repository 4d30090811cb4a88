// The details of one LoRA: what it is, whether it fits and why, and what the user says about it.

/** @import {Context, Row} from "../model/types.js" */
import { networkPath } from "../model/api.js";
import { later, make, setAttribute, setText } from "./dom.js";
import { icon } from "./icons.js";
import { FileTools, Insert } from "./panel/actions.js";
import { factsPart, hashesPart, metadataPart } from "./panel/facts.js";
import { write } from "./panel/field.js";
import { layersPart } from "./panel/layers.js";
import { Own } from "./panel/own.js";
import { lock } from "./panel/part.js";
import { Pictures } from "./panel/pictures.js";
import { Training } from "./panel/training.js";
import { faultPart, verdictPart } from "./panel/verdict.js";
import { Words } from "./panel/words.js";
import { problemNodes } from "./problem.js";

/** A change of many files comes in several events. */
const SETTLE_MS = 100;

/** Event: `close`, when the user closes it or its file is gone. */
export class Panel extends EventTarget {
  /** @param {Context} context */
  constructor(context) {
    super();
    const { t, library, prompts } = context;
    this.context = context;
    /** @type {Row | null} */
    this.row = null;
    this.asked = 0;
    this.title = make("h2", { tabindex: "-1", dir: "auto" });
    this.favourite = make("button", { type: "button", class: "icon-button", onclick: () => void this.toggleFavourite() }, [icon("star")]);
    this.problem = make("div", { role: "alert" });
    this.pictures = new Pictures(context);
    this.words = new Words(context);
    this.training = new Training(context);
    this.insert = new Insert(context);
    this.own = new Own(context);
    this.parts = [faultPart(context), this.insert, this.pictures, new FileTools(context), this.words, verdictPart(context), this.own,
      this.training, layersPart(context), factsPart(context), hashesPart(context), metadataPart(context)];
    this.body = make("div", { class: "panel-body", hidden: true }, this.parts.map((part) => part.element));
    this.element = make("aside", { class: "panel", "aria-label": t("panel.label"), hidden: true }, [
      make("div", { class: "panel-head" }, [this.title, this.favourite, make("button", {
        type: "button", class: "icon-button", "aria-label": t("panel.close"), onclick: () => this.dispatchEvent(new Event("close")),
      }, [icon("close")])]), this.problem, this.body]);
    this.pictures.listen(this.element);
    this.again = later(() => void this.load(), SETTLE_MS);
    library.addEventListener("rows", () => this.follow());
    prompts.addEventListener("change", () => this.promptChanged());
  }

  /** @param {Row} row */
  async open(row) {
    this.commit();
    this.row = row;
    this.body.hidden = true;
    this.problem.replaceChildren();
    this.element.hidden = false;
    this.element.scrollTop = 0;
    this.head(row);
    this.title.focus({ preventScroll: true });
    await this.load();
  }

  close() {
    this.commit();
    this.row = null;
    this.element.hidden = true;
  }

  /** What was typed and not left yet is written. */
  commit() {
    if (this.row) {
      this.own.commit();
      this.words.commit();
    }
  }

  /** @param {Row} row */
  head(row) {
    const name = row.label;
    setText(this.title, name);
    setAttribute(this.favourite, "aria-label", this.context.t("card.favourite", { name }));
    setAttribute(this.favourite, "aria-pressed", String(row.favourite));
    lock(this.context, [this.favourite]);
  }

  /** An answer that another one has overtaken is dropped. */
  async load() {
    const { row } = this;
    if (!row) {
      return;
    }
    this.asked += 1;
    const { asked } = this;
    try {
      const details = await this.context.api.get(networkPath(row.id), { root: row.root });
      if (asked === this.asked && this.row?.key === row.key) {
        this.show(details);
      }
    } catch (problem) {
      if (asked === this.asked && this.row?.key === row.key) {
        this.problem.replaceChildren(...problemNodes(problem));
      }
    }
  }

  /** @param {any} details */
  show(details) {
    if (this.row) {
      const shown = { row: this.row, details };
      this.problem.replaceChildren();
      this.parts.forEach((part) => part.show(shown));
      this.body.hidden = false;
    }
  }

  /** Stays with its file while that is renamed, moved or described elsewhere. */
  follow() {
    const { row } = this;
    const now = row && this.context.library.byKey.get(row.key);
    if (row && !now) {
      this.dispatchEvent(new Event("close"));
    } else if (now && now !== row) {
      this.row = now;
      this.head(now);
      this.again();
    }
  }

  promptChanged() {
    if (this.row) {
      this.words.promptChanged();
      this.training.promptChanged();
      this.insert.promptChanged();
    }
  }

  async toggleFavourite() {
    const { t, fail } = this.context;
    const { row } = this;
    if (row) {
      await write(this.context, row, { favourite: !row.favourite }, t("field.favourite")).catch(fail);
    }
  }
}
