// What is dropped from the desktop: files, also those inside of folders, and whether they are pictures.

/** Folders inside of folders are read as far down as this, against links that lead back. */
const DEEPEST = 8;

/** @typedef {{file: File, folder: string}} Dropped `folder`: where it lay in what was dropped */

/**
 * @param {DataTransfer} transfer
 * @returns {Promise<Dropped[]>} read before the event ends, since it is empty afterwards
 */
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const all = items.map((item) => {
    const entry = item.webkitGetAsEntry?.();
    const file = item.getAsFile();
    return entry?.isDirectory ? below(/** @type {FileSystemDirectoryEntry} */ (entry), "", DEEPEST)
      : file ? [{ file, folder: "" }] : [];
  });
  return (await Promise.all(all)).flat();
}

/**
 * @param {FileSystemDirectoryEntry} entry
 * @param {string} above
 * @param {number} deeper
 * @returns {Promise<Dropped[]>}
 */
async function below(entry, above, deeper) {
  const folder = above ? `${above}/${entry.name}` : entry.name;
  const all = (await entriesOf(entry)).map(async (one) => {
    if (one.isDirectory) {
      return deeper ? below(/** @type {FileSystemDirectoryEntry} */ (one), folder, deeper - 1) : [];
    }
    return [{ file: await fileOf(/** @type {FileSystemFileEntry} */ (one)), folder }];
  });
  return (await Promise.all(all)).flat();
}

/**
 * @param {FileSystemDirectoryEntry} entry
 * @returns {Promise<FileSystemEntry[]>}
 */
async function entriesOf(entry) {
  const reader = entry.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    // A reader gives a hundred at a time, and nothing at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) {
      return all;
    }
    all.push(...some);
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/**
 * Whether all that is dragged are pictures or films; their types are known before the drop.
 * @param {readonly {kind: string, type: string}[]} items
 */
export function areMedia(items) {
  const files = items.filter((item) => item.kind === "file");
  return files.length > 0 && files.every((item) => /^(image|video)\//.test(item.type));
}

/**
 * Only these can be LoRAs; what else lies in a dropped folder stays where it is.
 * @param {string} name
 */
export function isNetworkFile(name) {
  return /\.(safetensors|pt|ckpt|pth|bin)$/i.test(name);
}
