// What the user has chosen to see; the parts of the page listen to it.

/** @import {Choice} from "./types.js" */
import { EVERYTHING } from "./filter.js";
import { SavedFilters } from "./saved_filters.js";

const KEPT = "loradex.view";
/** Kept for the next visit; a search or a filter that is still on would hide files. */
const LASTING = /** @type {const} */ (["sort", "descending", "size", "list", "hideUnfit", "blur"]);

/** Event: `change`, its detail the names of what has changed. */
export class ViewState extends EventTarget {
  /** @param {Storage | null} storage null where the browser gives none */
  constructor(storage) {
    super();
    this.storage = storage;
    /** @type {Choice} */
    this.choice = { ...EVERYTHING, ...this.read() };
    this.saved = new SavedFilters(storage);
  }

  /** @param {Partial<Choice>} changes */
  change(changes) {
    this.choice = { ...this.choice, ...changes };
    if (LASTING.some((name) => name in changes)) {
      this.keep();
    }
    this.dispatchEvent(new CustomEvent("change", { detail: Object.keys(changes) }));
  }

  /** @returns {Partial<Choice>} */
  read() {
    try {
      const kept = JSON.parse(this.storage?.getItem(KEPT) ?? "{}");
      return Object.fromEntries(LASTING.filter((name) => typeof kept[name] === typeof EVERYTHING[name])
        .map((name) => [name, kept[name]]));
    } catch {
      return {}; // not ours, or damaged: the usual values serve
    }
  }

  keep() {
    const lasting = Object.fromEntries(LASTING.map((name) => [name, this.choice[name]]));
    try {
      this.storage?.setItem(KEPT, JSON.stringify(lasting));
    } catch {
      // A full or forbidden storage costs the next visit's order, nothing else.
    }
  }
}
