// What the trainer wrote: its settings, and the words of the captions as a cloud to click.

/** @import {Context} from "../../model/types.js" */
/** @import {TrainedTag, TrainingFact} from "../../model/training.js" */
import { hasWords } from "../../model/prompt.js";
import { toggledWords } from "../../model/strengths.js";
import { asPrompt, trainedTags, trainingFacts, weightOf } from "../../model/training.js";
import { make, setAttribute } from "../dom.js";
import { list, Part, section } from "./part.js";

const SMALLEST = 0.85;
const GROWTH = 0.55;

export class Training {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.part = new Part(
      ({ details }) => [trainingFacts(details.metadata), trainedTags(details.metadata)],
      ([facts, tags]) => this.draw(facts, tags));
    this.element = this.part.element;
  }

  /** @param {import("./part.js").Shown} shown */
  show(shown) {
    this.part.show(shown);
    this.promptChanged();
  }

  /**
   * @param {readonly TrainingFact[]} facts
   * @param {readonly TrainedTag[]} tags
   */
  draw(facts, tags) {
    const { t } = this.context;
    if (!facts.length && !tags.length) {
      return [];
    }
    return [section(t("panel.training"), [
      facts.length ? make("div", { class: "two-columns" }, [list(facts.map(({ name, value }) => [t(name), value]))]) : null,
      tags.length ? make("div", { class: "cloud", role: "group", "aria-label": t("training.words") },
        tags.map((tag) => this.word(tag, tags))) : null,
    ])];
  }

  /**
   * @param {TrainedTag} tag
   * @param {readonly TrainedTag[]} tags
   */
  word({ word, count }, tags) {
    const { t, prompts } = this.context;
    const words = asPrompt(word);
    const button = make("button", {
      type: "button", class: "word", text: word, dir: "auto", "data-words": words,
      "aria-label": t("training.word", { word, count }), title: t("training.times", { count }),
      onclick: () => prompts.write(toggledWords(prompts.text, words)),
    });
    button.style.fontSize = `${SMALLEST + GROWTH * weightOf(count, tags)}em`;
    return button;
  }

  promptChanged() {
    const { box, text } = this.context.prompts;
    for (const button of this.element.querySelectorAll("button")) {
      setAttribute(button, "aria-pressed", String(hasWords(text, button.dataset.words ?? "")));
      button.disabled = !box;
    }
  }
}
