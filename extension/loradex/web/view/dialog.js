// A modal dialog with a form: it keeps the focus, Escape leaves it, and a refusal is said inside.

import { make } from "./dom.js";
import { problemNodes } from "./problem.js";

// The hosts listen on the whole document, and the page's own keys mean nothing in a dialog.
const KEPT_INSIDE = ["keydown", "keyup", "keypress", "paste"];

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {readonly Node[]} body
 * @property {string} submit word on the button that does it
 * @property {() => Promise<unknown>} action what throws is shown, and the dialog stays open
 */

/**
 * Opens a dialog in the manager that `near` is a part of; it is gone when it closes, and the
 * focus is where it was.
 * @param {Element} near
 * @param {import("../model/i18n.js").Translate} t
 * @param {Question} question
 */
export function openDialog(near, t, { title, body, submit, action }) {
  const told = make("div", { class: "told", role: "alert" });
  const send = make("button", { type: "submit", class: "primary", text: submit });
  const form = make("form", { method: "dialog" }, [
    make("h2", { id: "dialog-title", text: title, dir: "auto" }), ...body, told,
    make("div", { class: "dialog-buttons" }, [
      make("button", { type: "button", class: "plain-button", text: t("dialog.cancel"), onclick: () => dialog.close() }),
      send,
    ]),
  ]);
  const dialog = make("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, [form]);
  KEPT_INSIDE.forEach((name) => dialog.addEventListener(name, (event) => event.stopPropagation()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void answer(dialog, told, send, action);
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) {
      dialog.close(); // the backdrop
    }
  });
  (near.closest(".manager") ?? near).append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {Element} told
 * @param {HTMLButtonElement} send
 * @param {() => Promise<unknown>} action
 */
async function answer(dialog, told, send, action) {
  send.disabled = true;
  try {
    await action();
    dialog.close();
  } catch (problem) {
    told.replaceChildren(...problemNodes(problem));
  } finally {
    send.disabled = false;
  }
}
