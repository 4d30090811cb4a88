// The view of everything that is wrong: file by file, with what to do and the fixes as buttons.

/** @import {Finding, Fix, Kind} from "../model/findings.js" */
/** @import {Context} from "../model/types.js" */
import { kindsOf, sharedFixes } from "../model/findings.js";
import { succeeded } from "../model/operations.js";
import { later, make } from "./dom.js";
import { icon } from "./icons.js";
import { Sheet } from "./sheet.js";

/** One change of the files seldom comes alone. */
const AGAIN_AFTER_MS = 400;
/** More lines of one kind are shown when they are asked for. */
const MOST = 50;
/** What a route answers that makes no operation. */
const NOTHING = { count: 0, can_undo: false, id: "" };

export class Doctor {
  /** @param {Context} context */
  constructor(context) {
    const { t, library } = context;
    this.context = context;
    this.sheet = new Sheet(t, { name: t("doctor.title"), picture: "broken" });
    /** @type {Set<string>} codes of kinds that are shown whole */
    this.whole = new Set();
    /** @type {readonly Finding[] | null} */
    this.findings = null;
    this.again = later(() => void this.load(), AGAIN_AFTER_MS);
    this.sheet.addEventListener("open", () => void this.load());
    library.addEventListener("rows", () => this.changed());
    library.addEventListener("status", () => this.changed());
  }

  changed() {
    const { library, t } = this.context;
    const count = library.rows.reduce((sum, row) => sum + Number(row.fault !== ""), 0);
    this.sheet.mark(count ? t("number", { value: count }) : "", count ? t("doctor.count", { count }) : t("doctor.title"));
    if (this.sheet.isOpen) {
      this.again();
    }
  }

  async load() {
    const { api, fail, t } = this.context;
    if (!this.findings) {
      this.sheet.say(t("loading"));
    }
    try {
      this.findings = (await api.get("doctor")).findings;
      this.sheet.redraw(() => this.draw());
    } catch (problem) {
      fail(problem);
    }
  }

  draw() {
    const { t } = this.context;
    /** @type {readonly Finding[]} */
    const findings = this.findings ?? [];
    if (!findings.length) {
      this.sheet.say(t("doctor.empty"));
      return;
    }
    this.sheet.body.replaceChildren(...["error", "warning"].flatMap((severity) => {
      const kinds = kindsOf(findings.filter((one) => one.severity === severity));
      const count = kinds.reduce((sum, kind) => sum + kind.findings.length, 0);
      return count ? [make("h3", { class: "severity", text: t(`doctor.${severity}`, { count }) }),
        ...kinds.map((kind) => this.kind(kind))] : [];
    }));
  }

  /** @param {Kind} kind */
  kind(kind) {
    const { t } = this.context;
    const { code, findings } = kind;
    const shown = this.whole.has(code) ? findings : findings.slice(0, MOST);
    const more = findings.length - shown.length;
    const tools = sharedFixes(kind).map((requests) => this.button(
      t("doctor.all", { label: this.label(requests[0]), count: findings.length }), () => this.send(requests)));
    return make("section", { class: "finding-kind", "data-severity": kind.severity, "aria-label": code }, [
      ...(tools.length ? [make("div", { class: "kind-tools" }, tools)] : []),
      make("ul", { class: "findings" }, shown.map((one) => this.finding(one))),
      ...(more ? [this.button(t("doctor.more", { count: more }), () => this.showWhole(code))] : []),
    ]);
  }

  /** @param {string} code */
  showWhole(code) {
    this.whole.add(code);
    this.sheet.redraw(() => this.draw());
  }

  /** @param {Finding} finding */
  finding(finding) {
    const { library, open } = this.context;
    const row = library.byKey.get(finding.key ?? 0);
    const name = finding.id ?? "";
    const title = row
      ? make("button", { type: "button", class: "link", text: name, dir: "auto", onclick: () => open(row) })
      : make("span", { class: "finding-name", text: name, dir: "auto" });
    return make("li", { class: "finding" }, [
      icon(finding.severity === "error" ? "broken" : "partly"),
      make("div", { class: "finding-words" }, [title,
        make("p", { text: finding.message, dir: "auto" }), make("p", { class: "next-step", text: finding.next_step, dir: "auto" })]),
      make("div", { class: "finding-fixes" }, finding.fixes.map((fix) => this.button(
        this.label(fix), () => this.send([fix]), `${this.label(fix)}: ${name}`, fix.changes))),
    ]);
  }

  /**
   * In the user's language where the page knows what is done.
   * @param {Fix} fix
   */
  label({ action, label }) {
    return action === "trash" ? this.context.t("bar.trash") : label;
  }

  /**
   * @param {string} text
   * @param {() => unknown} action
   * @param {string} [label]
   * @param {boolean} [changes]
   */
  button(text, action, label = text, changes = false) {
    const { locked } = this.context.library.status;
    return make("button", {
      type: "button", class: "plain-button", text, "aria-label": label, disabled: changes && Boolean(locked),
      title: changes && locked ? locked : null, onclick: () => void action(),
    });
  }

  /** @param {readonly Fix[]} fixes */
  async send(fixes) {
    const { api, tell, fail, t } = this.context;
    for (const fix of fixes) {
      try {
        const answer = await api.send(fix.method, fix.path, fix.body);
        const { count, title, can_undo: canUndo, id } = answer.kind ? succeeded(answer) : { ...NOTHING, title: this.label(fix) };
        tell(fix.action === "trash" ? t("done.trash", { count }) : title, canUndo ? { undo: id } : {});
      } catch (problem) {
        fail(problem);
      }
    }
    this.again();
  }
}
