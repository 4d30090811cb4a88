// The LoRAs that are chosen together, to move, tag or throw away at once.

/** Event: `change`. */
export class Selection extends EventTarget {
  constructor() {
    super();
    /** @type {ReadonlySet<number>} */
    this.keys = new Set();
    /** Where a range with the shift key begins; 0 where nothing was chosen yet. */
    this.anchor = 0;
  }

  /**
   * @param {Iterable<number>} keys
   * @param {number} [anchor]
   */
  set(keys, anchor = this.anchor) {
    this.keys = new Set(keys);
    this.anchor = anchor;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} key */
  toggle(key) {
    const keys = new Set(this.keys);
    if (!keys.delete(key)) {
      keys.add(key);
    }
    this.set(keys, key);
  }

  clear() {
    if (this.keys.size) {
      this.set([], 0);
    }
  }
}
