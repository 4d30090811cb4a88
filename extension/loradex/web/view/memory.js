// What LoRAs hold in memory, with a button that gives back what no run needs now.

/** @import {Context} from "../model/types.js" */
/** @import {EngineMemory} from "../model/memory.js" */
import { memoryLines, memoryText, unneeded } from "../model/memory.js";
import { make } from "./dom.js";

export class Memory {
  /** @param {Context} context */
  constructor(context) {
    const { t } = context;
    this.context = context;
    this.lines = make("div", { role: "status" });
    this.button = make("button", {
      type: "button", class: "plain-button", text: t("memory.free"), onclick: () => void this.free() });
    this.element = make("section", { class: "activity-memory", hidden: true }, [
      make("h3", { text: t("memory.title") }), make("p", { class: "hint", text: t("memory.why") }),
      make("div", { class: "kind-tools" }, [this.lines, this.button])]);
  }

  async load() {
    const { api, fail } = this.context;
    try {
      this.draw((await api.get("engine")).memory);
    } catch (problem) {
      fail(problem);
    }
  }

  /** @param {EngineMemory} memory */
  draw(memory) {
    const { t, library: { status } } = this.context;
    this.element.hidden = false;
    this.lines.replaceChildren(...memoryLines(t, memory).map((text) => make("p", { class: "memory-line", text })));
    this.button.setAttribute("aria-disabled", String(Boolean(status.locked) || !unneeded(memory)));
    this.button.title = status.locked ?? "";
  }

  async free() {
    const { api, fail, t, tell } = this.context;
    if (this.button.getAttribute("aria-disabled") === "true") {
      return;
    }
    try {
      const { freed_bytes: freed, memory } = await api.send("POST", "engine/release");
      this.draw(memory);
      tell(freed ? t("memory.freed", { size: memoryText(t, freed) }) : t("memory.freed.none"));
    } catch (problem) {
      fail(problem);
    }
  }
}
