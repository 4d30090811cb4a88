// The event stream: open only while the page is seen, caught up by number, opened again by itself.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const KINDS = ["networks", "verdicts", "checkpoint", "applied", "hashing", "reset"];

/**
 * Browsers allow six connections to a host: a stream of a page that nobody sees would take one
 * of them from the WebUI itself (a page in six tabs stops all of them).
 */
export class Live {
  /**
   * @param {(since: string) => URL} addressOf
   * @param {(kind: string, data: any) => void} heard
   * @param {(connected: boolean) => void} connection
   */
  constructor(addressOf, heard, connection) {
    this.addressOf = addressOf;
    this.heard = heard;
    this.connection = connection;
    this.since = "";
    this.wait = FIRST_WAIT_MS;
    this.seen = false;
    /** @type {EventSource | null} */
    this.source = null;
    this.timer = 0;
  }

  /** @param {boolean} seen whether the user sees the page now */
  show(seen) {
    this.seen = seen;
    if (seen && !this.source && !this.timer) {
      this.open();
    } else if (!seen) {
      this.close();
    }
  }

  open() {
    const source = new EventSource(this.addressOf(this.since));
    this.source = source;
    source.addEventListener("open", () => {
      this.wait = FIRST_WAIT_MS;
      this.connection(true);
    });
    source.addEventListener("error", () => this.retry());
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => this.take(kind, event));
    }
  }

  /**
   * @param {string} kind
   * @param {MessageEvent<string>} event
   */
  take(kind, event) {
    this.since = event.lastEventId || this.since;
    this.heard(kind, event.data ? JSON.parse(event.data) : {});
  }

  /** Ours instead of the browser's own: that gives up for good after an HTTP error. */
  retry() {
    this.close();
    this.connection(false);
    if (!this.seen) {
      return;
    }
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.open();
    }, this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  close() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.source?.close();
    this.source = null;
  }
}
