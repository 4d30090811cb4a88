// The element <loradex-manager>: made by a host anywhere in its page, filled when it is first seen.

import { Prompts } from "./hosts/prompts.js";
import { chooseLanguage, loadLanguage } from "./model/i18n.js";
import { Page } from "./page.js";
import { Completion } from "./view/completion.js";

const STYLES = ["manager", "header", "grid", "panel", "strip", "organise"];
const IDLE_MS = 1500;
const AGAIN_MS = 2000;
const DARK = "body.dark, html.dark, .dark > gradio-app";

/** All that needs no element: a host may mount its own late (Gradio 6 at the first look at its tab). */
class Beginning {
  constructor() {
    this.prompts = new Prompts();
    this.language = "";
    /** @type {CSSStyleSheet[]} */
    this.styles = [];
    /** @type {Page | null} */
    this.page = null;
    /** @type {Promise<Page> | null} */
    this.started = null;
  }

  /** @param {string} language the host's, where it says one */
  start(language) {
    this.started ??= this.make(language).catch((problem) => {
      this.started = null; // the next look tries again
      throw problem;
    });
    return this.started;
  }

  /** @param {string} asked */
  async make(asked) {
    // Gradio says `lang="en"` of every page, so the document is not asked.
    this.language = chooseLanguage([asked, ...navigator.languages]);
    const [t, styles] = await Promise.all([loadLanguage(this.language), Promise.all(STYLES.map(readStyle))]);
    this.styles = styles;
    this.page = new Page(t, this.prompts, storage());
    await this.page.load();
    return this.page;
  }
}

const beginning = new Beginning();

class LoradexManager extends HTMLElement {
  constructor() {
    super();
    // Apart from the host's document: its style sheets do not reach in, and its observers, which
    // the WebUI has for every change of the page, are not woken while the list scrolls.
    this.root = this.attachShadow({ mode: "open" });
    this.prompts = beginning.prompts;
    this.completion = new Completion(this.prompts, () => this.known(),
      new URL("styles/completion.css", import.meta.url).href);
    /** @type {Page | null} */
    this.page = null;
    /** @type {Promise<void> | null} */
    this.showing = null;
    this.inView = false;
    this.observer = new IntersectionObserver((all) => this.notice(all.some((one) => one.isIntersecting)));
    this.onVisibility = () => this.notice(this.inView);
  }

  connectedCallback() {
    this.observer.observe(this);
    this.prompts.connect();
    this.completion.connect();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  disconnectedCallback() {
    this.observer.disconnect();
    this.prompts.disconnect();
    this.completion.disconnect();
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.page?.seen(false);
  }

  /** @param {boolean} inView */
  notice(inView) {
    this.inView = inView;
    const seen = inView && document.visibilityState === "visible";
    this.classList.toggle("dark", isDark());
    if (seen && !this.page) {
      this.showing ??= this.show().catch((/** @type {unknown} */ problem) => {
        console.warn("Loradex:", problem);
        setTimeout(() => this.notice(this.inView), AGAIN_MS);
      }).finally(() => {
        this.showing = null;
      });
    }
    this.page?.seen(seen);
  }

  /** For who needs the library before the page was ever looked at: a prompt that is written. */
  async known() {
    return (await beginning.start(this.lang)).context;
  }

  async show() {
    const page = await beginning.start(this.lang);
    this.lang = beginning.language; // what follows is read aloud in it
    this.root.adoptedStyleSheets = beginning.styles;
    this.root.append(page.element);
    this.page = page;
    this.notice(this.inView);
  }
}

/**
 * Made once and shared, so that nothing is ever drawn without it.
 * @param {string} name
 */
async function readStyle(name) {
  const answer = await fetch(new URL(`styles/${name}.css`, import.meta.url));
  if (!answer.ok) {
    throw new Error(`${name}.css: ${answer.status}`);
  }
  return new CSSStyleSheet().replace(await answer.text());
}

function isDark() {
  if (document.querySelector(DARK)) {
    return true;
  }
  return !document.querySelector("gradio-app") && matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A browser that keeps nothing for this page throws when it is asked. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

if (!customElements.get("loradex-manager")) {
  customElements.define("loradex-manager", LoradexManager);
  // The list is read while nothing else is to do, so that the tab is there at once; later visits
  // are answered with "unchanged". Safari has no idle time to ask for.
  const whenIdle = window.requestIdleCallback ?? ((/** @type {() => void} */ work) => setTimeout(work, IDLE_MS));
  whenIdle(() => {
    const asked = document.querySelector("loradex-manager")?.getAttribute("lang") ?? "";
    beginning.start(asked).catch(() => undefined); // it is tried again when the page is looked at
  });
}
