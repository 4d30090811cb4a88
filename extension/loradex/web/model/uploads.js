// Files on their way into the library: one after the other, each with its progress and its end.

/** @import {Place} from "./places.js" */
import { Problem } from "./api.js";

/** @typedef {"waiting" | "sending" | "checking" | "done" | "failed" | "cancelled"} State */

/**
 * @typedef {object} Upload
 * @property {number} number
 * @property {File} file
 * @property {Place} place
 * @property {State} state
 * @property {number} sent bytes
 * @property {unknown} problem what the server says where it failed
 * @property {{key: number, id: string, root: number} | null} network what it became
 * @property {readonly string[]} duplicateOf ids of files with the same content
 */

/**
 * A file that is being sent.
 * @typedef {object} Transfer
 * @property {Promise<any>} answer
 * @property {() => void} abort
 */

/** @typedef {(upload: Upload, progress: (sent: number) => void) => Transfer} Send */

/** States that nothing follows by itself. */
const ENDED = ["done", "failed", "cancelled"];

/** Events: `change`; `done` when nothing is left to send. */
export class Uploads extends EventTarget {
  /** @param {Send} send */
  constructor(send) {
    super();
    this.send = send;
    /** @type {Upload[]} */
    this.list = [];
    /** @type {Transfer | null} */
    this.transfer = null;
    this.numbers = 0;
  }

  /**
   * @param {readonly File[]} files
   * @param {Place} place
   */
  add(files, place) {
    for (const file of files) {
      this.numbers += 1;
      this.list.push({ number: this.numbers, file, place, state: "waiting", sent: 0, problem: null, network: null, duplicateOf: [] });
    }
    this.tell("change");
    void this.work();
  }

  get busy() {
    return this.list.some((one) => !ENDED.includes(one.state));
  }

  async work() {
    while (!this.transfer) {
      const next = this.list.find((one) => one.state === "waiting");
      if (!next) {
        return;
      }
      await this.carry(next);
      if (!this.busy) {
        this.tell("done");
      }
    }
  }

  /** @param {Upload} upload */
  async carry(upload) {
    this.set(upload, { state: "sending", sent: 0, problem: null });
    this.transfer = this.send(upload, (sent) => this.set(upload, {
      sent, state: sent < upload.file.size ? "sending" : "checking" }));
    try {
      const { network, duplicate_of: duplicateOf } = await this.transfer.answer;
      this.set(upload, { state: "done", network, duplicateOf, sent: upload.file.size });
    } catch (problem) {
      if (!isCancelled(upload)) {
        this.set(upload, { state: "failed", problem });
      }
    } finally {
      this.transfer = null;
    }
  }

  /** @param {Upload} upload */
  cancel(upload) {
    const sending = ["sending", "checking"].includes(upload.state);
    if (!ENDED.includes(upload.state)) {
      this.set(upload, { state: "cancelled" });
    }
    if (sending) {
      this.transfer?.abort();
    }
  }

  /** @param {Upload} upload */
  retry(upload) {
    if (["failed", "cancelled"].includes(upload.state)) {
      this.set(upload, { state: "waiting", sent: 0, problem: null });
      void this.work();
    }
  }

  /** Forgets what has ended. */
  clear() {
    this.list = this.list.filter((one) => !ENDED.includes(one.state));
    this.tell("change");
  }

  /**
   * @param {Upload} upload
   * @param {Partial<Upload>} changes
   */
  set(upload, changes) {
    if (isCancelled(upload) && changes.state !== "waiting") {
      return; // what still comes of a transfer that was stopped
    }
    Object.assign(upload, changes);
    this.tell("change");
  }

  /** @param {string} name */
  tell(name) {
    this.dispatchEvent(new Event(name));
  }
}

/** @param {Upload} upload */
const isCancelled = (upload) => upload.state === "cancelled";

/**
 * Sends files with XMLHttpRequest, since fetch tells nothing of how much has gone.
 * @param {import("./api.js").Api} api
 * @returns {Send}
 */
export function sender(api) {
  return (upload, progress) => {
    const request = new XMLHttpRequest();
    const answer = put(api, request, upload, progress).catch((problem) => {
      if (problem instanceof Problem && problem.code === "token") {
        // An older page's token; the server was started again.
        return api.status().then(() => put(api, request, upload, progress));
      }
      throw problem;
    });
    return { answer, abort: () => request.abort() };
  };
}

/**
 * @param {import("./api.js").Api} api
 * @param {XMLHttpRequest} request
 * @param {Upload} upload
 * @param {(sent: number) => void} progress
 * @returns {Promise<any>}
 */
function put(api, request, { file, place }, progress) {
  return new Promise((resolve, reject) => {
    request.open("PUT", api.address("uploads", { ...place, name: file.name }));
    Object.entries(api.change("PUT", file).headers ?? {}).forEach(([name, value]) => (
      request.setRequestHeader(name, value)));
    request.upload.onprogress = ({ loaded }) => progress(loaded);
    request.onload = () => {
      const content = contentOf(request);
      if (request.status < 300) {
        resolve(content);
      } else {
        reject(new Problem(content.message ?? `HTTP ${request.status}`, content.next_step ?? "", content.code ?? "", request.status));
      }
    };
    request.onerror = () => reject(new Problem("", "", "connection", 0));
    request.onabort = () => reject(new Problem("", "", "cancelled", 0));
    request.send(file);
  });
}

/**
 * @param {XMLHttpRequest} request
 * @returns {any}
 */
function contentOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return {}; // a page of a proxy, which is told by its status
  }
}
