// How the list looks: the size of its cards, which pictures are blurred, what a search can ask.

/** @import {Choice, Context} from "../model/types.js" */
import { make } from "./dom.js";
import { menu } from "./menu.js";

/** Civitai's levels of pictures, as bits: from which one on a picture is blurred; 0 is none. */
const LEVELS = [0, 2, 4, 8, 16];
const EXAMPLES = ["ink -paper", "\"two words\"", "family:sdxl", "type:loha", "fits:yes", "tag:style", "word:sks",
  "folder:art", "rating:>7", "rank:>=32", "size:<100mb", "fav:yes", "fault:yes", "notes:yes"];

/**
 * @param {Context} context
 * @param {(changes: Partial<Choice>) => void} changed
 */
export function viewMenu({ t, view }, changed) {
  const size = make("input", {
    type: "range", min: "120", max: "360", step: "10", value: view.choice.size,
    "aria-label": t("size.label"), oninput: () => changed({ size: Number(size.value) }),
  });
  const blur = make("select", {
    "aria-label": t("blur.label"), onchange: () => changed({ blur: Number(blur.value) }),
  }, LEVELS.map((level) => make("option", {
    value: level, text: t(`blur.${level}`), selected: level === view.choice.blur })));
  return menu("eye", t("view.label"), [
    make("label", {}, [t("size.label"), size]), make("label", {}, [t("blur.label"), blur]),
    make("p", { text: t("search.help") }),
    make("ul", { class: "examples" }, EXAMPLES.map((text) => make("li", {}, [make("code", { text })]))),
  ]);
}
