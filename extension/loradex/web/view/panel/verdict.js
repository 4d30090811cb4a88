// What is wrong with a file, and whether it fits the loaded checkpoint: the answer with its evidence.

/** @import {Context} from "../../model/types.js" */
import { make } from "../dom.js";
import { icon } from "../icons.js";
import { problemNodes } from "../problem.js";
import { Problem } from "../../model/api.js";
import { Part, section } from "./part.js";

/** @param {Context} context */
export function faultPart({ t }) {
  return new Part(
    ({ row, details }) => [details.message, details.next_step, row.presence],
    ([message, nextStep, presence]) => [
      ...(message ? [make("section", { class: "problem", "aria-label": t("panel.fault") },
        problemNodes(new Problem(message, nextStep ?? "", "", 0)))] : []),
      ...(presence === "offline" ? [make("p", { class: "problem", text: t("panel.offline") })] : []),
    ]);
}

/** @param {Context} context */
export function verdictPart({ t, library }) {
  return new Part(
    ({ details }) => [details.check, library.status.checkpoint?.name],
    ([check, checkpoint]) => [section(t("panel.verdict"), check ? [
      make("p", { class: "badge large", "data-verdict": check.verdict }, [
        icon(check.verdict), make("span", { text: t(`verdict.${check.verdict}`) }),
        make("span", { class: "hint", text: checkpoint ?? "", dir: "auto" })]),
      ...Object.entries(check.components).filter(([, part]) => part.named)
        .map(([name, part]) => componentBar(t, name, part, check.reasons)),
      make("ul", { class: "reasons" }, check.reasons.map((/** @type {string} */ text) => (
        make("li", { text, dir: "auto" })))),
    ] : [make("p", { class: "hint", text: t("verdict.no_checkpoint") })])]);
}

/**
 * @param {import("../../model/i18n.js").Translate} t
 * @param {string} name
 * @param {any} part
 * @param {readonly string[]} said what stands below already
 */
function componentBar(t, name, part, said) {
  const share = part.named ? part.shape_ok / part.named : 0;
  const fill = make("span", { class: "bar-fill" });
  fill.style.inlineSize = `${share * 100}%`;
  return make("div", { class: "component" }, [
    make("span", { text: t("panel.part", { name, done: part.shape_ok, of: part.named }) }),
    make("span", { class: share === 1 ? "share whole" : "share", "aria-hidden": "true" }, [fill]),
    part.reason && !said.includes(part.reason) ? make("span", { class: "hint", text: part.reason, dir: "auto" }) : null,
  ]);
}
