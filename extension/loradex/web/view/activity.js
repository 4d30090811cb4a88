// What happens in the background and what was done: shown, paused, and taken back one by one.

/** @import {Operation} from "../model/operations.js" */
/** @import {Context} from "../model/types.js" */
import { sizeText } from "../model/sizes.js";
import { later, make, setText } from "./dom.js";
import { icon, setIcon } from "./icons.js";
import { Memory } from "./memory.js";
import { Sheet } from "./sheet.js";

const HISTORY = 50;
const AGAIN_AFTER_MS = 300;

export class Activity {
  /**
   * @param {Context} context
   * @param {(operation: string) => Promise<void>} undo
   */
  constructor(context, undo) {
    const { t, library } = context;
    this.context = context;
    this.undo = undo;
    this.sheet = new Sheet(t, { name: t("activity.title"), picture: "pulse" });
    this.sheet.button.classList.add("quiet-count");
    this.times = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });
    this.state = make("div", { class: "activity-state" });
    this.history = make("ul", { class: "history" });
    this.bar = make("progress", { max: 1, value: 0, "aria-label": t("activity.hashing") });
    this.hashingWords = make("p");
    this.pause = make("button", { type: "button", class: "plain-button", onclick: () => void this.togglePause() });
    this.hashing = make("section", { class: "activity-hashing" }, [
      make("h3", { text: t("activity.hashing") }), make("p", { class: "hint", text: t("activity.hashing.why") }),
      this.bar, make("div", { class: "kind-tools" }, [this.hashingWords, this.pause])]);
    this.memory = new Memory(context);
    this.sheet.body.append(this.state, this.hashing, this.memory.element, make("h3", { text: t("activity.history") }), this.history);
    this.loadHistory = later(() => void this.load(), AGAIN_AFTER_MS);
    this.sheet.addEventListener("open", () => this.opened());
    library.addEventListener("status", () => this.draw());
    library.addEventListener("applied", () => this.sheet.isOpen && void this.memory.load());
    library.addEventListener("rows", () => this.sheet.isOpen && this.loadHistory());
    library.addEventListener("progress", (event) => this.progressed(/** @type {CustomEvent} */ (event).detail));
  }

  opened() {
    this.draw();
    void this.memory.load();
    void this.load();
  }

  /** @param {any} row how far the hashing is */
  progressed(row) {
    this.context.library.status.hashing = row;
    this.drawHashing();
  }

  draw() {
    const { t, library: { status } } = this.context;
    const { watch = { mode: "off", reason: "", offline: [] }, notes = [], locked = "" } = status;
    /** @type {[string, string][]} */
    const lines = [
      ...(locked ? [/** @type {[string, string]} */ (["no_effect", locked])] : []),
      [watch.mode === "off" ? "partly" : "fits", this.watchWords(watch)],
      ...(watch.offline ?? []).map((/** @type {string} */ path) => ["partly", t("activity.offline", { path })]),
      ...notes.map((/** @type {string} */ note) => ["partly", note]),
    ];
    this.state.replaceChildren(...lines.map(([picture, text]) => make("p", { class: "state-line", "data-verdict": picture },
      [icon(picture), make("span", { text, dir: "auto" })])));
    this.drawHashing();
  }

  /** @param {{mode: string, reason: string}} watch */
  watchWords({ mode, reason }) {
    const { t } = this.context;
    const words = t(`activity.watch.${["off", "polling"].includes(mode) ? mode : "on"}`);
    return reason ? `${words} (${reason})` : words;
  }

  drawHashing() {
    const { t, library: { status } } = this.context;
    const { done = 0, total = 0, done_bytes: doneBytes = 0, total_bytes: totalBytes = 0, paused = false, failed = 0 } = status.hashing ?? {};
    const busy = done < total;
    this.bar.hidden = !busy;
    this.bar.max = Math.max(totalBytes, 1);
    this.bar.value = doneBytes;
    const words = busy ? t("activity.hashed", { done, count: total, read: sizeText(t, doneBytes), all: sizeText(t, totalBytes) }) : t("activity.hashed.all");
    setText(this.hashingWords, failed ? `${words} ${t("activity.failed", { count: failed })}` : words);
    this.pause.hidden = !busy && !paused;
    this.pause.replaceChildren(icon(paused ? "play" : "pause"), t(paused ? "activity.resume" : "activity.pause"));
    this.mark(busy, paused, total - done);
  }

  /**
   * @param {boolean} busy
   * @param {boolean} paused
   * @param {number} left
   */
  mark(busy, paused, left) {
    const { t, library: { status } } = this.context;
    const troubled = Boolean(status.locked || status.notes?.length || status.watch?.offline?.length);
    const words = busy ? t(paused ? "activity.title.paused" : "activity.title.busy", { count: left }) : t("activity.title");
    setIcon(this.sheet.picture, paused && busy ? "pause" : "pulse");
    this.sheet.mark(busy ? t("number", { value: left }) : troubled ? "!" : "", words);
    this.sheet.button.classList.toggle("busy", busy && !paused);
  }

  async togglePause() {
    const { api, fail, library } = this.context;
    try {
      this.progressed(await api.send("POST", "hashing", { paused: !library.status.hashing?.paused }));
    } catch (problem) {
      fail(problem);
    }
  }

  async load() {
    const { api, fail, t } = this.context;
    try {
      const { operations } = await api.get("operations", { limit: HISTORY });
      const lines = operations.map((/** @type {Operation} */ one) => this.line(one));
      this.sheet.redraw(() => this.history.replaceChildren(
        ...(lines.length ? lines : [make("li", { class: "hint", text: t("activity.none") })])));
    } catch (problem) {
      fail(problem);
    }
  }

  /** @param {Operation} operation */
  line(operation) {
    const { t, library } = this.context;
    const { locked } = library.status;
    const when = this.times.format(new Date(operation.when));
    const state = operation.undone_by ? t("activity.undone") : operation.done ? "" : operation.problems.join(" ");
    return make("li", { class: operation.undone_by ? "history-line undone" : "history-line" }, [
      make("div", { class: "finding-words" }, [make("span", { text: operation.title, dir: "auto" }),
        make("p", { class: "hint", text: [when, state].filter(Boolean).join(" · ") })]),
      operation.can_undo ? make("button", {
        type: "button", class: "plain-button", "aria-label": t("activity.undo", { what: operation.title }), disabled: Boolean(locked),
        title: locked || null, onclick: () => void this.undo(operation.id).then(this.loadHistory),
      }, [icon("undo"), t("undo")]) : null,
    ]);
  }
}
