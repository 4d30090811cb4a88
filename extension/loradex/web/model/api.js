// Asks the JSON API; every address is relative to this module, so any sub-path works.

/** @import {IndexData} from "./types.js" */

const BASE = new URL("../../../v1/", import.meta.url);
const JSON_TYPE = "application/json";

/** @typedef {Record<string, string | number>} Params */

/** What a server says is wrong, in its own words. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {string} nextStep
   * @param {string} code
   * @param {number} status
   */
  constructor(message, nextStep, code, status) {
    super(message);
    this.nextStep = nextStep;
    this.code = code;
    this.status = status;
  }
}

/**
 * The address of a file's route.
 * @param {string} id
 */
export const networkPath = (id) => `networks/${id.split("/").map(encodeURIComponent).join("/")}`;

export class Api {
  /** @param {URL} base */
  constructor(base = BASE) {
    this.base = base;
    /** Sent with every change; the status gives it, and another one after a restart. */
    this.token = "";
  }

  /**
   * @param {string} path below `/loradex/v1/`
   * @param {Params} [params]
   */
  address(path, params = {}) {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(params)) {
      url.searchParams.set(name, String(value));
    }
    return url;
  }

  /**
   * @param {string} path
   * @param {Params} [params]
   * @returns {Promise<any>}
   */
  async get(path, params) {
    return (await this.ask(path, params)).content;
  }

  /** @returns {Promise<any>} */
  async status() {
    const status = await this.get("status");
    this.token = status.token;
    return status;
  }

  /** @returns {Promise<{index: IndexData, revision: string}>} */
  async index() {
    const { content, headers } = await this.ask("index");
    return { index: content, revision: headers.get("X-Loradex-Revision") ?? "" };
  }

  /**
   * Sends a change; one that an older page's token stopped is sent again with the new one.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [content] a Blob as it is, anything else as JSON
   * @param {Params} [params]
   * @returns {Promise<any>}
   */
  async send(method, path, content, params) {
    try {
      return (await this.ask(path, params, this.change(method, content))).content;
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "token") {
        throw error;
      }
      await this.status();
      return (await this.ask(path, params, this.change(method, content))).content;
    }
  }

  /**
   * @param {string} method
   * @param {unknown} content
   * @returns {RequestInit}
   */
  change(method, content) {
    /** @type {Record<string, string>} */
    const headers = { "X-Loradex": "1", "X-Loradex-Token": this.token };
    if (content === undefined || content instanceof Blob) {
      return { method, headers, body: content ?? null };
    }
    return { method, headers: { ...headers, "Content-Type": JSON_TYPE }, body: JSON.stringify(content) };
  }

  /**
   * @param {string} path
   * @param {Params} [params]
   * @param {RequestInit} [how]
   * @returns {Promise<{content: any, headers: Headers}>}
   */
  async ask(path, params, how) {
    const answer = await fetch(this.address(path, params), { credentials: "same-origin", ...how });
    // A proxy or a host that has no such route may answer with a page of its own.
    const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
    const content = isJson ? await answer.json() : {};
    if (!answer.ok || !isJson) {
      throw new Problem(content.message ?? `HTTP ${answer.status}`, content.next_step ?? "",
        content.code ?? "", answer.status);
    }
    return { content, headers: answer.headers };
  }

  /**
   * The address never shows another picture, so browsers keep it for good.
   * @param {{key: number, preview: string}} row
   * @param {number} size
   */
  preview({ key, preview }, size) {
    return this.address(`previews/${key}`, { v: preview, size }).href;
  }

  /**
   * The picture or video itself.
   * @param {{key: number, preview: string}} row
   */
  previewFile({ key, preview }) {
    return this.address(`previews/${key}/file`, { v: preview }).href;
  }
}
