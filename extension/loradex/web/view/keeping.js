// The parts that keep a library in order, put together: what comes in, faults, doubles, activity.

/** @import {Context, Row} from "../model/types.js" */
import { Activity } from "./activity.js";
import { make } from "./dom.js";
import { Doctor } from "./doctor.js";
import { Drop } from "./drop.js";
import { Duplicates } from "./duplicates.js";

export class Keeping {
  /**
   * @param {Context} context
   * @param {HTMLElement} list what the sheets lie over
   * @param {{show: (row: Row) => void, undo: (operation: string) => Promise<void>}} page
   */
  constructor(context, list, { show, undo }) {
    this.list = list;
    this.drop = new Drop(context, show);
    this.sheets = [new Doctor(context).sheet, new Duplicates(context).sheet, new Activity(context, undo).sheet];
    this.buttons = make("div", { class: "keeping", role: "group", "aria-label": context.t("keeping.label") },
      this.sheets.map((sheet) => sheet.button));
    for (const sheet of this.sheets) {
      sheet.addEventListener("open", () => this.closeOthers(sheet));
      sheet.addEventListener("close", () => this.cover());
    }
  }

  /** Over the list, in the order in which they cover each other. */
  get layers() {
    return [...this.sheets.map((sheet) => sheet.element), this.drop.list.element, this.drop.overlay, this.drop.input];
  }

  /** @param {import("./sheet.js").Sheet} open */
  closeOthers(open) {
    this.sheets.forEach((sheet) => {
      if (sheet !== open) {
        sheet.close();
      }
    });
    this.cover();
  }

  /** @returns {boolean} whether one was open */
  closeSheet() {
    const open = this.sheets.find((sheet) => sheet.isOpen);
    open?.close();
    return Boolean(open);
  }

  /** What is covered cannot be reached with the keyboard either. */
  cover() {
    this.list.inert = this.sheets.some((sheet) => sheet.isOpen);
  }
}
