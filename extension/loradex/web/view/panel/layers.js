// The trained blocks of each part of the model as bars: their height is the rank.

/** @import {Context} from "../../model/types.js" */
/** @import {Block, Part as Trained} from "../../model/layers.js" */
import { partsOf, rankRange } from "../../model/layers.js";
import { make } from "../dom.js";
import { Part, section } from "./part.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const STEP = 10;
const BAR = 8;
const HEIGHT = 44;
/** A block without a rank (a full difference, a norm) still shows. */
const LOWEST = 4;
/** Few blocks are not drawn as wide boards. */
const WIDEST_STEP = 18;

/** @param {Context} context */
export function layersPart({ t }) {
  return new Part(({ details }) => partsOf(details.modules), (/** @type {readonly Trained[]} */ parts) => {
    const top = rankRange(parts.flatMap((part) => part.blocks))[1];
    return parts.length ? [section(t("panel.layers"), parts.map((part) => make("figure", {}, [
      make("figcaption", { text: t("layers.part", { name: t(`layers.${part.name || "unknown"}`), count: part.modules }) }),
      drawn(t, part.blocks, top), make("p", { class: "hint", "aria-hidden": "true", text: summary(t, part.blocks) }),
    ])))] : [];
  });
}

/**
 * @param {import("../../model/i18n.js").Translate} t
 * @param {readonly Block[]} blocks
 * @param {number} top
 */
function drawn(t, blocks, top) {
  const svg = element("svg", {
    viewBox: `0 0 ${blocks.length * STEP} ${HEIGHT}`, role: "img", class: "layers", preserveAspectRatio: "none",
    "aria-label": summary(t, blocks),
  });
  svg.style.maxWidth = `${blocks.length * WIDEST_STEP}px`;
  svg.append(...blocks.map((block, place) => bar(t, block, place, top)));
  return svg;
}

/**
 * @param {import("../../model/i18n.js").Translate} t
 * @param {readonly Block[]} blocks
 */
function summary(t, blocks) {
  const [least, most] = rankRange(blocks);
  const ranks = least === most ? t("number", { value: most }) : t("layers.range", { least, most });
  return t("layers.label", { count: blocks.length, ranks });
}

/**
 * @param {import("../../model/i18n.js").Translate} t
 * @param {Block} block
 * @param {number} place
 * @param {number} top
 */
function bar(t, block, place, top) {
  const height = LOWEST + (top ? (HEIGHT - LOWEST) * block.rank / top : 0);
  const rect = element("rect", { x: place * STEP + 1, y: HEIGHT - height, width: BAR, height, rx: 1.5 });
  const title = element("title", {});
  const name = block.name || t("layers.others");
  title.textContent = t("layers.block", { name, count: block.modules, rank: block.rank });
  rect.append(title);
  return rect;
}

/**
 * @template {"svg" | "rect" | "title"} T
 * @param {T} name
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[T]}
 */
function element(name, attributes) {
  const made = document.createElementNS(NAMESPACE, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, String(value)));
  return made;
}
