// Adds tags to the chosen files and takes tags away, with what is there to choose from.

/** @import {Context, Row} from "../model/types.js" */
import { carryOut } from "../model/operations.js";
import { splitTags, tagCounts } from "../model/tagging.js";
import { openDialog } from "./dialog.js";
import { make } from "./dom.js";

/** A list of suggestions that is longer is slow to open, and nobody reads it. */
const SUGGESTED = 500;

/**
 * @param {Element} near
 * @param {Context} context
 * @param {readonly Row[]} rows
 */
export function askTags(near, context, rows) {
  const { t, library } = context;
  const removed = /** @type {Set<string>} */ (new Set());
  const add = make("input", {
    class: "field", autocomplete: "off", list: "known-tags", "aria-label": t("tags.add"), placeholder: t("tags.add.hint"),
  });
  const known = make("datalist", { id: "known-tags" },
    [...tagCounts(library.rows).keys()].slice(0, SUGGESTED).map((value) => make("option", { value })));
  const here = [...tagCounts(rows)].map(([tag, count]) => chip(context, removed, tag, count, rows.length));
  openDialog(near, t, {
    title: t("tags.title", { count: rows.length }), submit: t("tags.submit"),
    body: [
      make("label", { class: "stacked" }, [make("span", { text: t("tags.add") }), add]), known,
      ...(here.length ? [make("p", { class: "hint", text: t("tags.here") }), make("div", { class: "tag-chips" }, here)] : []),
    ],
    action: async () => {
      const added = splitTags(add.value);
      if (added.length || removed.size) {
        const asked = { keys: rows.map((row) => row.key), add_tags: added, remove_tags: [...removed] };
        await carryOut(context, { action: "edit", ...asked }, t("done.tags", { count: rows.length }));
      }
    },
  });
}

/**
 * @param {Context} context
 * @param {Set<string>} removed
 * @param {string} tag
 * @param {number} count how many of the chosen files have it
 * @param {number} of
 */
function chip({ t }, removed, tag, count, of) {
  const button = make("button", {
    type: "button", class: "chip filter tag-chip", "aria-pressed": "false", title: t("tags.remove", { tag }),
    "aria-label": t("tags.remove", { tag }), onclick: () => {
      const gone = !removed.delete(tag);
      if (gone) {
        removed.add(tag);
      }
      button.setAttribute("aria-pressed", String(gone));
    },
  }, [make("span", { class: "tag-name", text: tag, dir: "auto" }),
    count < of ? make("span", { class: "number", text: t("number", { value: count }) }) : null]);
  return button;
}
