// One line of the folder tree: made once, then filled with whatever folder is seen there.

/** @import {Line} from "../model/tree_lines.js" */
import { make, setAttribute, setText } from "./dom.js";
import { icon, setIcon } from "./icons.js";

export class TreeItem {
  constructor() {
    this.picture = icon("folder");
    this.twisty = make("span", { class: "twisty", "aria-hidden": "true" }, [icon("chevron")]);
    this.name = make("span", { class: "folder-name", dir: "auto" });
    this.count = make("span", { class: "number" });
    this.element = make("div", { class: "folder", role: "treeitem" }, [this.twisty, this.picture, this.name, this.count]);
  }

  /**
   * @param {Line} line
   * @param {{chosen: boolean, focused: boolean, picture: string, count: string}} how
   */
  fill(line, { chosen, focused, picture, count }) {
    const { element } = this;
    setText(this.name, line.name);
    setText(this.count, count);
    setIcon(this.picture, picture);
    element.style.setProperty("--depth", String(line.level - 1));
    const attributes = {
      "data-path": line.path, title: line.name, "aria-level": line.level, "aria-posinset": line.place,
      "aria-setsize": line.siblings, "aria-selected": String(chosen), tabindex: focused ? 0 : -1,
      "aria-expanded": line.open === null ? null : String(line.open),
    };
    Object.entries(attributes).forEach(([name, value]) => setAttribute(element, name, value));
  }
}
