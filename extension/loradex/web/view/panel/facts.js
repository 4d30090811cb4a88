// Facts with where each was read, hashes to copy, and the header's metadata as it is.

/** @import {Context} from "../../model/types.js" */
import { copyText } from "../../hosts/clipboard.js";
import { sizeText } from "../../model/sizes.js";
import { make } from "../dom.js";
import { icon } from "../icons.js";
import { list, Part, section } from "./part.js";

/** Where the catalog read a field; anything else is the name of a file beside it. */
const SOURCES = ["metadata", "user", "shapes", "file"];
/** AUTOMATIC1111 and Civitai call it AutoV3. */
const AUTOV3_LETTERS = 12;
/** What others wrote of the model, in the catalog's names. */
const SAID = ["title", "alias", "author", "version", "base_model", "licence", "trigger_words", "negative_words",
  "preferred_strength", "te_strength", "strength_range", "clip_skip", "usage_hint", "source_url"];

/** @typedef {readonly [word: string, value: string, source: string]} Fact */

/** @param {Context} context */
export function factsPart(context) {
  const { t } = context;
  return new Part(({ row, details }) => factsOf(context, row, details), (/** @type {readonly Fact[]} */ facts) => [
    section(t("panel.facts"), [list(facts.map(([word, value, source]) => [
      t(word), make("span", { class: "value", text: value }),
      source ? make("span", { class: "source", text: sourceText(t, source) }) : null]))])]);
}

/**
 * @param {Context} context
 * @param {import("../../model/types.js").Row} row
 * @param {any} details
 * @returns {Fact[]}
 */
function factsOf({ t, library }, row, details) {
  const family = library.status.families?.[details.family] ?? details.family;
  const byUser = details.confidence === "user";
  const counted = (/** @type {Record<string, number>} */ counts) => Object.entries(counts ?? {})
    .map(([name, count]) => `${name} (${t("number", { value: count })})`).join(", ");
  /** @type {Fact[]} */
  const facts = [
    ["fact.file", row.id, "file"], ["fact.size", sizeText(t, row.size), "file"],
    ["fact.modified", new Date(row.modified).toLocaleString(), "file"],
    ["fact.family", [family ?? t("family.unknown"), details.variant].filter(Boolean).join(" "), byUser ? "user" : "shapes"],
    ["fact.evidence", (details.evidence ?? []).join("\n"), ""],
    ["fact.types", counted(details.types), "shapes"], ["fact.rank", counted(details.ranks), "shapes"],
    ...SAID.map((name) => said(details, name)),
  ];
  return facts.filter(([, value]) => value !== "");
}

/**
 * @param {any} details
 * @param {string} name
 * @returns {Fact}
 */
function said({ fields }, name) {
  const { value = "", source = "" } = fields?.[name] ?? {};
  return [`fact.${name}`, Array.isArray(value) ? value.join("\n") : String(value), source];
}

/**
 * @param {import("../../model/i18n.js").Translate} t
 * @param {string} source
 */
function sourceText(t, source) {
  return SOURCES.includes(source) ? t(`source.${source}`) : t("source.sidecar", { name: source });
}

/** @param {Context} context */
export function hashesPart({ t, tell }) {
  return new Part(({ details }) => [details.sha256, details.tensor_sha256], ([whole, tensors]) => {
    const hashes = [["fact.sha256", whole], ["fact.tensor_sha256", tensors],
      ["fact.autov3", tensors?.slice(0, AUTOV3_LETTERS)]].filter(([, value]) => value);
    const lines = hashes.map(([word, value]) => {
      const text = make("code", { text: value });
      return [t(word), make("span", { class: "hash" }, [text, make("button", {
        type: "button", class: "icon-button", "aria-label": t("copy.what", { what: t(word) }), title: t("copy.what", { what: t(word) }),
        onclick: () => tell(t(copyText(value, text) ? "copy.done" : "copy.by_hand", { what: t(word) })),
      }, [icon("copies")])])];
    });
    return [section(t("panel.hashes"), hashes.length
      ? [list(/** @type {[string, Node][]} */ (lines))]
      : [make("p", { class: "hint", text: t("hash.waiting") })])];
  });
}

/** @param {Context} context */
export function metadataPart({ t }) {
  return new Part(({ details }) => details.metadata ?? {}, (/** @type {Record<string, string>} */ metadata) => {
    const entries = Object.entries(metadata);
    return entries.length ? [make("details", { class: "metadata" }, [
      make("summary", { text: t("panel.metadata", { count: entries.length }) }),
      list(entries.map(([name, value]) => [name, String(value)])),
    ])] : [];
  });
}
