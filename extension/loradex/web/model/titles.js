// Names of families and types as people write them; the API speaks of them by id.

/** @type {Record<string, string>} */
const TYPES = {
  lora: "LoRA", loha: "LoHa", lokr: "LoKr", dora: "DoRA", glora: "GLoRA", oft: "OFT", boft: "BOFT",
  "peft-oft": "OFT (PEFT)", "peft-boft": "BOFT (PEFT)", ia3: "(IA)³", full: "Full", norm: "Norm", set: "Set",
  embedding: "Embedding", bias: "Bias", "sparse-bias": "Sparse bias",
};

/** @param {string} type */
export const typeTitle = (type) => TYPES[type] ?? type;

/**
 * @param {{families?: Record<string, string>}} status
 * @param {string} family
 */
export const familyTitle = (status, family) => status.families?.[family] ?? family;

/**
 * Rows are called by their titles; those that share one, as the epochs of a training do, by their files.
 * @param {readonly import("./types.js").Row[]} rows
 */
export function labelRows(rows) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  rows.forEach(({ title }) => counts.set(title, (counts.get(title) ?? 0) + 1));
  for (const row of rows) {
    row.label = row.title && counts.get(row.title) === 1 ? row.title : row.name;
  }
}

/**
 * Types with the rank, as one short text: `LoRA 32`.
 * @param {import("./types.js").Row} row
 */
export function kindText({ types, rank }) {
  return [types.map(typeTitle).join(" + "), rank || ""].filter(Boolean).join(" ");
}
