// Searches with their filters under a name, to come back to.

/** @import {Context} from "../model/types.js" */
import { make } from "./dom.js";
import { icon } from "./icons.js";
import { menu } from "./menu.js";

export class SavedMenu {
  /**
   * @param {Context} context
   * @param {() => void} applied after one was chosen
   */
  constructor({ t, view }, applied) {
    this.t = t;
    this.view = view;
    this.applied = applied;
    this.list = make("ul", { class: "saved" });
    this.name = make("input", { type: "text", "aria-label": t("saved.name"), placeholder: t("saved.name"), maxlength: "60" });
    const form = make("form", { class: "saved-new", onsubmit: (event) => this.save(event) }, [
      this.name, make("button", { type: "submit", class: "plain-button", text: t("saved.save") })]);
    this.element = menu("bookmark", t("saved.label"), [this.list, form]);
    this.element.addEventListener("toggle", () => this.draw());
  }

  draw() {
    const { t, view: { saved, choice } } = this;
    const now = saved.nameOf(choice);
    this.list.replaceChildren(...saved.names.map((name) => make("li", {}, [
      make("button", { type: "button", class: "plain-button", text: name, dir: "auto", "aria-pressed": String(name === now),
        onclick: () => this.use(name) }),
      make("button", { type: "button", class: "icon-button", "aria-label": t("saved.remove", { name }),
        onclick: () => this.remove(name) }, [icon("close")]),
    ])));
    if (!saved.names.length) {
      this.list.append(make("li", { class: "hint", text: t("saved.none") }));
    }
  }

  /** @param {Event} event */
  save(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    if (name) {
      this.view.saved.save(name, this.view.choice);
      this.name.value = "";
      this.draw();
    }
  }

  /** @param {string} name */
  use(name) {
    this.view.change(this.view.saved.get(name));
    this.element.open = false;
    this.applied();
  }

  /** @param {string} name */
  remove(name) {
    this.view.saved.remove(name);
    this.draw();
    this.name.focus();
  }
}
