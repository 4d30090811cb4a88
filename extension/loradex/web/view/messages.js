// What the page says in a corner: what was done, with a way back, and errors that stay.

/** @import {TellHow} from "../model/types.js" */
/** @import {Translate} from "../model/i18n.js" */
import { Undoing } from "../model/operations.js";
import { make } from "./dom.js";
import { icon } from "./icons.js";
import { problemNodes } from "./problem.js";

const SHOWN_MS = 7000;
const UNDO_SHOWN_MS = 12000;
/** More would hide the list; the oldest that only tells goes first. */
const MOST = 4;

/** @typedef {{name: string, act: () => void}} Button */

/**
 * Messages go by themselves, unless they are pointed at or hold the focus; errors stay until they
 * are closed.
 */
export class Messages {
  /**
   * @param {Translate} t
   * @param {import("../model/api.js").Api} api
   */
  constructor(t, api) {
    this.t = t;
    this.undoing = new Undoing(api);
    // Both are there from the start: readers only hear what comes into a region that they know.
    this.polite = make("div", { class: "said", role: "status", "aria-atomic": "false" });
    this.urgent = make("div", { class: "said", role: "alert", "aria-atomic": "false" });
    this.element = make("div", { class: "messages", "aria-label": t("messages.label"), role: "region" }, [
      this.urgent, this.polite]);
  }

  /**
   * @param {string} message
   * @param {TellHow & {button?: Button}} [how]
   */
  tell(message, { undo, button } = {}) {
    const buttons = button ? [button] : [];
    if (undo) {
      this.undoing.remember(undo, message);
      buttons.push({ name: this.t("undo"), act: () => void this.undo(undo) });
    }
    this.add(this.polite, [make("p", { class: "what", text: message, dir: "auto" })], buttons);
  }

  /** @param {unknown} problem */
  fail(problem) {
    this.add(this.urgent, problemNodes(problem), []);
  }

  /** @param {string} [operation] the last change where none is named */
  async undo(operation) {
    try {
      this.sayUndone(await this.undoing.undo(operation));
    } catch (problem) {
      this.fail(problem);
    }
  }

  async redo() {
    try {
      const undone = await this.undoing.redo();
      if (undone) {
        this.sayUndone(undone);
      } else {
        this.tell(this.t("redo.none"));
      }
    } catch (problem) {
      this.fail(problem);
    }
  }

  /** @param {{operation: import("../model/operations.js").Operation, what: string, again: boolean}} undone */
  sayUndone({ operation, what, again }) {
    const message = this.t(again ? "undo.again" : "undo.done", { what });
    const button = { name: this.t(again ? "undo" : "redo"), act: () => void this.undo(operation.id) };
    this.tell(message, operation.can_undo ? { button } : {});
  }

  /**
   * @param {HTMLElement} region
   * @param {readonly Node[]} words
   * @param {readonly Button[]} buttons
   */
  add(region, words, buttons) {
    const stays = region === this.urgent;
    const message = make("div", { class: stays ? "message error" : "message" }, [
      make("div", { class: "message-words" }, words),
      ...buttons.map(({ name, act }) => make("button", {
        type: "button", class: "message-button", text: name, onclick: () => {
          this.dismiss(message);
          act();
        } })),
      make("button", {
        type: "button", class: "icon-button quiet", "aria-label": this.t("message.close"),
        onclick: () => this.dismiss(message),
      }, [icon("close")]),
    ]);
    region.append(message);
    this.crowd();
    if (!stays) {
      goAfter(message, buttons.length ? UNDO_SHOWN_MS : SHOWN_MS);
    }
  }

  /**
   * The focus goes on to the next message, or back to the list.
   * @param {HTMLElement} message
   */
  dismiss(message) {
    message.remove();
    const next = this.element.querySelector("button")
      ?? this.element.closest(".manager")?.querySelector(".grid");
    /** @type {HTMLElement | null | undefined} */ (next)?.focus({ preventScroll: true });
  }

  crowd() {
    while (this.polite.childElementCount > MOST) {
      this.polite.firstElementChild?.remove();
    }
    while (this.urgent.childElementCount > MOST) {
      this.urgent.firstElementChild?.remove();
    }
  }
}

/**
 * Removes a message after a while; the while begins again when the user has looked at it.
 * @param {HTMLElement} message
 * @param {number} milliseconds
 */
function goAfter(message, milliseconds) {
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const start = () => {
    stop();
    timer = setTimeout(() => {
      if (message.matches(":hover, :focus-within")) {
        start();
      } else {
        message.remove();
      }
    }, milliseconds);
  };
  message.addEventListener("pointerenter", stop);
  message.addEventListener("pointerleave", start);
  message.addEventListener("focusin", stop);
  message.addEventListener("focusout", start);
  start();
}
