// One field of what the user says of a file: written when it is left, and never lost.

/** @import {Context, Row} from "../../model/types.js" */
import { networkPath } from "../../model/api.js";
import { make, setText } from "../dom.js";
import { problemNodes } from "../problem.js";

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Input */

/**
 * @typedef {object} Form
 * @property {string} name the API's
 * @property {string} label
 * @property {string} [hint]
 * @property {Input} input
 * @property {(details: any) => string} shown the text for what the server says
 * @property {(text: string) => unknown} read the value for the server
 */

/**
 * Writes a change and tells it with a way back.
 * @param {Context} context
 * @param {Row} row
 * @param {Record<string, unknown>} changes
 * @param {string} what the name of what is changed
 */
export async function write({ api, t, tell }, row, changes, what) {
  const answer = await api.send("PATCH", networkPath(row.id), changes, { root: row.root });
  if (answer.operation) {
    tell(t("done.edit", { what, name: row.label }), { undo: answer.operation });
  }
  return answer.network;
}

export class Field {
  /**
   * @param {Context} context
   * @param {Form} form
   */
  constructor(context, form) {
    this.context = context;
    this.form = form;
    /** @type {Row | null} */
    this.row = null;
    /** What the server said last. */
    this.base = "";
    /** @type {Map<number, string>} what could not be written, by the file's key */
    this.drafts = new Map();
    this.state = make("span", { class: "state", role: "status" });
    this.told = make("div", { class: "told", role: "alert" });
    const { input, label, hint } = form;
    input.setAttribute("aria-label", label); // the label's text says how the saving goes, too
    input.addEventListener("change", () => void this.commit());
    input.addEventListener("input", () => setText(this.state, ""));
    this.element = make("div", { class: "panel-field" }, [
      make("label", {}, [make("span", { class: "label" }, [make("span", { text: label }), this.state]), input]),
      hint ? make("p", { class: "hint", text: hint }) : null, this.told]);
  }

  get changed() {
    return this.form.input.value !== this.base;
  }

  /**
   * What is being typed stays, whatever happens elsewhere.
   * @param {import("./part.js").Shown} shown
   */
  show({ row, details }) {
    const other = this.row?.key !== row.key;
    const typing = !other && this.changed;
    this.row = row;
    this.base = this.form.shown(details);
    if (typing) {
      return;
    }
    const text = this.drafts.get(row.key) ?? this.base;
    if (this.form.input.value !== text) {
      this.form.input.value = text;
      // A browser writes numbers in its own way (0.80 as 0.8).
      this.base = text === this.base ? this.form.input.value : this.base;
    }
    if (other) {
      setText(this.state, "");
      this.told.replaceChildren();
    }
  }

  /** Writes what was typed, also when the panel closes or goes on to another file. */
  async commit() {
    const { row, context: { t, fail } } = this;
    const { input, name, label, read } = this.form;
    const text = input.value;
    if (!row || !this.changed || !input.checkValidity()) {
      return;
    }
    this.drafts.set(row.key, text);
    setText(this.state, t("field.saving"));
    try {
      const details = await write(this.context, row, { [name]: read(text) }, label);
      this.drafts.delete(row.key);
      this.saved(row, text, details);
    } catch (problem) {
      if (this.row?.key === row.key && input.getClientRects().length) {
        setText(this.state, t("field.failed"));
        this.told.replaceChildren(...problemNodes(problem));
      } else {
        fail(problem);
      }
    }
  }

  /**
   * @param {Row} row
   * @param {string} text
   * @param {any} details
   */
  saved(row, text, details) {
    if (this.row?.key !== row.key) {
      return;
    }
    this.base = this.form.shown(details);
    if (this.form.input.value === text) {
      this.form.input.value = this.base;
    }
    setText(this.state, this.context.t("field.saved"));
    this.told.replaceChildren();
  }
}
