// Asks the JSON API; every address is relative to this module, so any sub-path works.

/** @import {IndexData} from "./types.js" */

const BASE = new URL("../../v1/", import.meta.url);

/** What a server says is wrong, in its own words. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {string} nextStep
   * @param {number} status
   */
  constructor(message, nextStep, status) {
    super(message);
    this.nextStep = nextStep;
    this.status = status;
  }
}

/**
 * @param {string} path below `/loradex/v1/`
 * @param {Record<string, string | number>} [params]
 */
export function address(path, params = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(params)) {
    url.searchParams.set(name, String(value));
  }
  return url;
}

/**
 * @param {string} path
 * @param {Record<string, string | number>} [params]
 * @param {RequestInit} [how]
 * @returns {Promise<any>}
 */
async function ask(path, params, how) {
  const answer = await fetch(address(path, params), { credentials: "same-origin", ...how });
  // A proxy or a host that has no such route may answer with a page of its own.
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const content = isJson ? await answer.json() : {};
  if (!answer.ok || !isJson) {
    throw new Problem(content.message ?? `HTTP ${answer.status}`, content.next_step ?? "",
      answer.status);
  }
  return content;
}

/** @param {string} id */
const networkPath = (id) => `networks/${id.split("/").map(encodeURIComponent).join("/")}`;

/** @returns {Promise<IndexData>} */
export const getIndex = () => ask("index");

export const getStatus = () => ask("status");

export const getApplied = () => ask("applied");

/** @param {{id: string, root: number}} row */
export const getNetwork = ({ id, root }) => ask(networkPath(id), { root });

/**
 * @param {{id: string, root: number}} row
 * @param {Record<string, unknown>} changes fields of the user's own data
 */
export const changeNetwork = ({ id, root }, changes) => ask(networkPath(id), { root }, {
  method: "PATCH", body: JSON.stringify(changes),
  headers: { "Content-Type": "application/json", "X-Loradex": "1" },
});

/**
 * The address never shows another picture, so browsers keep it for good.
 * @param {{key: number, preview: string}} row
 * @param {number} size
 */
export function previewAddress({ key, preview }, size) {
  return address(`previews/${key}`, { v: preview, size }).href;
}
