// Asks the server which rows have the search's words in their notes, which the browser does not hold.

/** @import {Context} from "./types.js" */
import { readQuery } from "./query.js";

const MOST = 500;
const SHORTEST = 3;

export class NotesSearch {
  /** @param {Pick<Context, "api" | "library" | "view">} context */
  constructor({ api, library, view }) {
    this.api = api;
    this.library = library;
    this.view = view;
    this.asked = "";
  }

  /** For the words that are typed now; a library without notes is never asked. */
  async ask() {
    const { plain } = readQuery(this.view.choice.text);
    if (plain === this.asked) {
      return;
    }
    this.asked = plain;
    const worth = plain.length >= SHORTEST && this.library.rows.some((row) => row.hasNotes);
    const noted = worth ? await this.found(plain) : [];
    if (this.asked === plain && (noted.length || this.view.choice.noted.size)) {
      this.view.change({ noted: new Set(noted) });
    }
  }

  /**
   * @param {string} plain
   * @returns {Promise<number[]>}
   */
  async found(plain) {
    const { networks = [] } = await this.api.get("networks", { q: plain, limit: MOST, sort: "relevance" });
    return networks.map((/** @type {{key: number}} */ { key }) => key);
  }
}
