// The element <loradex-manager>: made by a host anywhere in its page, filled when it is first seen.

import { Prompts } from "./hosts/prompts.js";
import { chooseLanguage, loadLanguage } from "./model/i18n.js";
import { Page } from "./page.js";
import { Completion } from "./view/completion.js";
import { make } from "./view/dom.js";

const STYLES = ["manager", "header", "grid", "panel", "strip", "organise"];
const DARK = "body.dark, html.dark, .dark > gradio-app";

class LoradexManager extends HTMLElement {
  constructor() {
    super();
    // Apart from the host's document: its style sheets do not reach in, and its observers, which
    // the WebUI has for every change of the page, are not woken while the list scrolls.
    this.root = this.attachShadow({ mode: "open" });
    this.prompts = new Prompts();
    this.completion = new Completion(this.prompts, () => this.known(),
      new URL("styles/completion.css", import.meta.url).href);
    /** @type {Page | null} */
    this.page = null;
    /** @type {Promise<void> | null} */
    this.started = null;
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
    if (seen) {
      this.started ??= this.start();
    }
    this.page?.seen(seen);
  }

  /** For who needs the library before the page was ever looked at: a prompt that is written. */
  async known() {
    this.started ??= this.start();
    await this.started;
    return /** @type {Page} */ (this.page).context;
  }

  async start() {
    // Gradio says `lang="en"` of every page, so the document is not asked.
    const language = chooseLanguage([this.lang, ...navigator.languages]);
    this.lang = language; // what follows is read aloud in it
    const [t] = await Promise.all([loadLanguage(language), this.addStyles()]);
    this.page = new Page(t, this.prompts, storage());
    this.root.append(this.page.element);
    await this.page.load();
    this.notice(this.inView);
  }

  /** Waits until all are there, so that nothing is drawn without them. */
  addStyles() {
    return Promise.all(STYLES.map((name) => new Promise((done) => {
      const href = new URL(`styles/${name}.css`, import.meta.url).href;
      this.root.append(make("link", { rel: "stylesheet", href, onload: done, onerror: done }));
    })));
  }
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
}
