// What the engine holds in memory, in words.

/** @typedef {import("./i18n.js").Translate} Translate */

/**
 * The server's record, in bytes.
 * @typedef {object} EngineMemory
 * @property {number} networks loaded files
 * @property {number} network_bytes
 * @property {number} used files of the last prompt
 * @property {number} used_bytes
 * @property {number} budget_bytes
 * @property {number} live_bytes weights with LoRAs in them
 * @property {number} spare_bytes buffers that no LoRA uses
 * @property {number} away_bytes the checkpoint's own weights in main memory
 * @property {string} device
 */

/** Memory is counted as the setting counts it; files on a drive are counted in millions. */
const MEGABYTE = 2 ** 20;

/**
 * @param {Translate} t
 * @param {number} bytes
 */
export function memoryText(t, bytes) {
  const value = bytes / MEGABYTE;
  return t("megabytes", { value: value < 10 ? Math.round(value * 10) / 10 : Math.round(value) });
}

/**
 * @param {Translate} t
 * @param {EngineMemory} memory
 */
export function memoryLines(t, memory) {
  const size = (/** @type {number} */ bytes) => memoryText(t, bytes);
  const lines = [t("memory.networks", {
    count: memory.networks, size: size(memory.network_bytes), budget: size(memory.budget_bytes) })];
  if (memory.used) {
    lines.push(t("memory.used", { count: memory.used, size: size(memory.used_bytes) }));
  }
  if (memory.live_bytes) {
    lines.push(t("memory.live", { size: size(memory.live_bytes), device: memory.device }));
  }
  if (memory.away_bytes) {
    lines.push(t("memory.away", { size: size(memory.away_bytes) }));
  }
  if (memory.spare_bytes) {
    lines.push(t("memory.spare", { size: size(memory.spare_bytes), device: memory.device }));
  }
  return lines;
}

/**
 * How much a run would not miss.
 * @param {EngineMemory} memory
 */
export const unneeded = (memory) => memory.network_bytes - memory.used_bytes + memory.spare_bytes;
