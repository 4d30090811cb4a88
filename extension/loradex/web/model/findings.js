// What the doctor found, in groups, and how many files one fix can serve at once.

/**
 * Something that can be done; sent as it says.
 * @typedef {object} Fix
 * @property {string} action
 * @property {string} label
 * @property {boolean} changes
 * @property {string} method
 * @property {string} path below `/loradex/v1/`
 * @property {Record<string, unknown>} body
 */

/**
 * @typedef {object} Finding
 * @property {string} code
 * @property {string} severity
 * @property {number | null} key
 * @property {string | null} id
 * @property {number | null} root
 * @property {string} message
 * @property {string} next_step
 * @property {readonly Fix[]} fixes
 */

/** @typedef {{code: string, severity: string, findings: Finding[]}} Kind */

const SEVERITIES = ["error", "warning"];

/**
 * One group for each code, what stops files from working first.
 * @param {readonly Finding[]} findings
 * @returns {Kind[]}
 */
export function kindsOf(findings) {
  /** @type {Map<string, Kind>} */
  const kinds = new Map();
  for (const finding of findings) {
    const { code, severity } = finding;
    const kind = kinds.get(code) ?? { code, severity, findings: [] };
    kind.findings.push(finding);
    kinds.set(code, kind);
  }
  return [...kinds.values()].sort((a, b) => (
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity)
    || b.findings.length - a.findings.length || a.code.localeCompare(b.code)));
}

/**
 * Fixes that change something and that every file of a kind has, each as few requests: files that
 * are changed alike go in one, which is taken back as one.
 * @param {Kind} kind
 * @returns {Fix[][]} the requests of each fix
 */
export function sharedFixes({ findings }) {
  if (findings.length < 2) {
    return [];
  }
  return findings[0].fixes.filter((fix) => fix.changes).flatMap(({ action }) => {
    const all = findings.flatMap((one) => one.fixes.find((fix) => fix.action === action) ?? []);
    return all.length === findings.length ? [joined(all)] : [];
  });
}

/**
 * @param {readonly Fix[]} fixes
 * @returns {Fix[]}
 */
function joined(fixes) {
  /** @type {Map<string, Fix>} */
  const requests = new Map();
  for (const fix of fixes) {
    const { keys, ...others } = fix.body ?? {};
    const same = JSON.stringify([fix.method, fix.path, Array.isArray(keys) ? others : fix.body]);
    const known = requests.get(same);
    if (known && Array.isArray(keys)) {
      const all = /** @type {unknown[]} */ (known.body.keys);
      requests.set(same, { ...known, body: { ...known.body, keys: [...all, ...keys] } });
    } else {
      requests.set(same, known ?? fix);
    }
  }
  return [...requests.values()];
}
