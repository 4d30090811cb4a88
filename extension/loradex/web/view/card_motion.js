// What moves on a card: its video or animated picture, only while it is pointed at.

/** @import {Context, Row} from "../model/types.js" */
import { make } from "./dom.js";

const MOVING = ["video", "animated"];
/** A pointer that only crosses cards fetches none of their videos. */
const STARTS_AFTER_MS = 150;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** At most one card moves at a time, so one player serves them all. */
export class CardMotion {
  /** @param {Context} context */
  constructor({ api }) {
    this.api = api;
    this.timer = 0;
    this.key = 0;
    /** @type {HTMLVideoElement | HTMLImageElement | null} */
    this.element = null;
  }

  /**
   * @param {Row | null} row
   * @param {HTMLElement | null} place the picture that it covers
   */
  play(row, place) {
    const key = row && MOVING.includes(row.media) && !calm.matches ? row.key : 0;
    if (key === this.key) {
      return;
    }
    this.stop();
    if (row && place && key) {
      this.key = key;
      this.timer = setTimeout(() => this.start(row, place), STARTS_AFTER_MS);
    }
  }

  /**
   * @param {Row} row
   * @param {HTMLElement} place
   */
  start(row, place) {
    const src = this.api.previewFile(row);
    if (row.media === "video") {
      const video = make("video", { class: "motion", src, loop: true, playsinline: true, "aria-hidden": "true" });
      video.muted = true; // the attribute alone does not mute one that a script made
      video.play().catch(() => this.stop()); // not a video that this browser plays: its first frame stays
      this.element = video;
    } else {
      this.element = make("img", { class: "motion", src, alt: "", draggable: "false", onerror: () => this.stop() });
    }
    place.append(this.element);
  }

  stop() {
    clearTimeout(this.timer);
    this.key = 0;
    // Without its address the browser stops fetching it at once.
    this.element?.removeAttribute("src");
    this.element?.remove();
    this.element = null;
  }
}
