// Folders, tags, findings and duplicates as lists: what is seen, counted and done at once.
import assert from "node:assert/strict";
import test from "node:test";
import { openGroups, membersOf, spare } from "../../extension/loradex/web/model/doubles.js";
import { areMedia, isNetworkFile } from "../../extension/loradex/web/model/dropped.js";
import { kindsOf, sharedFixes } from "../../extension/loradex/web/model/findings.js";
import { folderTree } from "../../extension/loradex/web/model/folders.js";
import { allFolders, folderPath, pathOf, placeOf } from "../../extension/loradex/web/model/places.js";
import { sizeText } from "../../extension/loradex/web/model/sizes.js";
import { splitTags, tagCounts } from "../../extension/loradex/web/model/tagging.js";
import { above, afterKey, seenLines } from "../../extension/loradex/web/model/tree_lines.js";

const rows = [
  { root: 0, folder: "", tags: ["ink"] }, { root: 0, folder: "art/ink", tags: ["ink", "line"] },
  { root: 1, folder: "a10", tags: [] }, { root: 1, folder: "a9", tags: ["line"] },
];
const roots = ["/models/Lora", "D:\\more\\LyCORIS"];

test("a path and its place are the same, also for a root", () => {
  for (const path of ["0", "12", "0/art", "1/art/ink"]) {
    assert.equal(pathOf(placeOf(path)), path);
  }
  assert.deepEqual(placeOf("1/art/ink"), { root: 1, folder: "art/ink" });
  assert.equal(folderPath("1/art", roots), "LyCORIS/art");
});

test("all folders: parents too, empty ones too, in the order of people", () => {
  const all = allFolders(rows, roots, [{ root: 0, folder: "empty" }]);
  assert.deepEqual(all, ["0", "0/art", "0/art/ink", "0/empty", "1", "1/a9", "1/a10"]);
});

test("the tree counts what lies below, shows empty folders, and only open ones are seen", () => {
  const tree = folderTree(rows, roots, [{ root: 0, folder: "art/new" }]);
  assert.deepEqual(seenLines(tree, new Set()).map((line) => [line.name, line.count, line.open]),
    [["Lora", 2, false], ["LyCORIS", 2, false]]);
  const seen = seenLines(tree, new Set(["0", "0/art"]));
  assert.deepEqual(seen.map((line) => [line.path, line.level, line.open, line.place, line.siblings]), [
    ["0", 1, true, 1, 2], ["0/art", 2, true, 1, 1], ["0/art/ink", 3, null, 1, 2],
    ["0/art/new", 3, null, 2, 2], ["1", 1, false, 2, 2]]);
  assert.deepEqual(above("0/art/ink"), ["0", "0/art"]);
});

test("the keys of a tree open, close and lead up to the parent", () => {
  const lines = [{ level: 1, open: true }, { level: 2, open: false }, { level: 2, open: null }, { level: 1, open: null }];
  assert.deepEqual(afterKey("ArrowRight", 0, lines), { to: 1 });
  assert.deepEqual(afterKey("ArrowRight", 1, lines), { open: true });
  assert.deepEqual(afterKey("ArrowLeft", 0, lines), { open: false });
  assert.deepEqual(afterKey("ArrowLeft", 2, lines), { to: 0 });
  assert.deepEqual(afterKey("ArrowDown", 3, lines), { to: 3 });
  assert.deepEqual(afterKey("End", 0, lines), { to: 3 });
  assert.equal(afterKey("x", 0, lines), null);
});

test("tags are counted and typed with any comma", () => {
  assert.deepEqual([...tagCounts(rows)], [["ink", 2], ["line", 2]]);
  assert.deepEqual(splitTags(" ink，水墨、 line;, ink"), ["ink", "水墨", "line"]);
});

const fix = (action, key, label = action) => ({ action, label, changes: true, method: "POST", path: "operations", body: { action, keys: [key] } });
const finding = (code, severity, key, ...fixes) => ({ code, severity, key, id: `${key}`, root: 0, message: "", next_step: "", fixes });

test("findings are grouped, and files with the same fix go in one request", () => {
  const kinds = kindsOf([
    finding("duplicate", "warning", 1, fix("trash", 1)), finding("truncated", "error", 2, fix("trash", 2)),
    finding("duplicate", "warning", 3, fix("trash", 3)), finding("html-page", "error", 4, fix("trash", 4)),
    finding("html-page", "error", 5, fix("trash", 5), fix("rename", 5)),
  ]);
  assert.deepEqual(kinds.map(({ code }) => code), ["html-page", "truncated", "duplicate"]);
  const [shared] = sharedFixes(kinds[0]);
  assert.deepEqual(shared.map(({ body }) => body), [{ action: "trash", keys: [4, 5] }]);
  assert.equal(sharedFixes(kinds[0]).length, 1, "a fix that only some have is not for all");
  assert.deepEqual(sharedFixes(kinds[1]), []);
});

test("the suggested copies go, never an epoch and never one that is gone", () => {
  const byKey = new Map([1, 2, 3, 4, 5].map((key) => [key, { key }]));
  const groups = [
    { kind: "same_file", keys: [1, 2, 9], keep: 2, bytes: 5 }, { kind: "same_run", keys: [3, 4], keep: 4, bytes: 0 },
    { kind: "same_tensors", keys: [5, 8], keep: 5, bytes: 5 }];
  assert.deepEqual(membersOf(groups[0], byKey).map(({ key }) => key), [2, 1]);
  assert.deepEqual(openGroups(groups, byKey).map(({ kind }) => kind), ["same_file", "same_run"]);
  assert.deepEqual(spare(groups, byKey), [1]);
});

test("pictures are told from models by what is known before the drop", () => {
  assert.equal(areMedia([{ kind: "file", type: "image/png" }, { kind: "string", type: "text/plain" }]), true);
  assert.equal(areMedia([{ kind: "file", type: "image/png" }, { kind: "file", type: "" }]), false);
  assert.equal(areMedia([]), false);
  assert.equal(isNetworkFile("Ink.SafeTensors"), true);
  assert.equal(isNetworkFile("ink.preview.png"), false);
});

test("sizes are told in the unit that fits", () => {
  const words = [900, 1234567, 144e6, 2.25e9].map((bytes) => sizeText((key, { value }) => `${value} ${key}`, bytes));
  assert.deepEqual(words, ["0.9 kilobytes", "1.2 megabytes", "144 megabytes", "2.3 gigabytes"]);
});
