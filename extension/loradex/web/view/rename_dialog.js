// Asks for a file's new name.

/** @import {Context, Row} from "../model/types.js" */
import { carryOut } from "../model/operations.js";
import { openDialog } from "./dialog.js";
import { make } from "./dom.js";

/**
 * @param {Element} near
 * @param {Context} context
 * @param {Row} row
 */
export function askName(near, context, row) {
  const { t } = context;
  const name = make("input", { class: "field", value: row.name, required: true, autocomplete: "off", dir: "auto", "aria-label": t("rename.name") });
  openDialog(near, t, {
    title: t("rename.title", { name: row.name }), submit: t("bar.rename"),
    body: [name, make("p", { class: "hint", text: t("rename.hint") })],
    action: () => carryOut(context, { action: "rename", keys: [row.key], name: name.value.trim() },
      t("done.rename", { name: name.value.trim() })),
  });
  name.select();
}
