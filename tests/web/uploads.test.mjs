// Files go in one after the other; each can be stopped, sent again, and ends with its own words.
import assert from "node:assert/strict";
import test from "node:test";
import { Problem } from "../../extension/loradex/web/model/api.js";
import { Uploads } from "../../extension/loradex/web/model/uploads.js";

const file = (name, size = 10) => ({ name, size });
const place = { root: 0, folder: "art" };
const turn = () => new Promise((done) => setTimeout(done));

/** Transfers that a test ends itself. */
function line() {
  const sent = [];
  return { sent, send: (upload, progress) => {
    const transfer = { upload, progress, aborted: false };
    sent.push(transfer);
    const answer = new Promise((resolve, reject) => Object.assign(transfer, { resolve, reject }));
    return { answer, abort: () => {
      transfer.aborted = true;
      transfer.reject(new Problem("", "", "cancelled", 0));
    } };
  } };
}

const installed = (key, duplicates = []) => ({ network: { key, id: `art/${key}`, root: 0 }, duplicate_of: duplicates });

test("one after the other, and the end is told once", async () => {
  const { sent, send } = line();
  const uploads = new Uploads(send);
  let ends = 0;
  uploads.addEventListener("done", () => { ends += 1; });
  uploads.add([file("a"), file("b")], place);
  assert.equal(sent.length, 1);
  sent[0].progress(4);
  assert.deepEqual([uploads.list[0].state, uploads.list[0].sent], ["sending", 4]);
  sent[0].progress(10);
  assert.equal(uploads.list[0].state, "checking");
  sent[0].resolve(installed(7, ["old/a.safetensors"]));
  await turn();
  assert.deepEqual([uploads.list[0].state, uploads.list[0].duplicateOf], ["done", ["old/a.safetensors"]]);
  assert.equal(ends, 0);
  sent[1].resolve(installed(8));
  await turn();
  assert.equal(ends, 1);
  assert.equal(uploads.busy, false);
});

test("a refusal keeps the server's words and stops no other file", async () => {
  const { sent, send } = line();
  const uploads = new Uploads(send);
  uploads.add([file("a"), file("b")], place);
  sent[0].reject(new Problem("a: it is a web page. Download it again.", "Download it again.", "html-page", 422));
  await turn();
  assert.equal(uploads.list[0].state, "failed");
  assert.equal(uploads.list[0].problem.nextStep, "Download it again.");
  assert.equal(sent.length, 2);
});

test("what is cancelled stays so, and can be sent again", async () => {
  const { sent, send } = line();
  const uploads = new Uploads(send);
  uploads.add([file("a"), file("b")], place);
  uploads.cancel(uploads.list[1]);
  uploads.cancel(uploads.list[0]);
  await turn();
  assert.deepEqual(uploads.list.map((one) => one.state), ["cancelled", "cancelled"]);
  assert.equal(sent[0].aborted, true);
  sent[0].progress(9); // too late
  assert.equal(uploads.list[0].state, "cancelled");
  uploads.retry(uploads.list[0]);
  assert.equal(sent.length, 2);
  sent[1].resolve(installed(7));
  await turn();
  assert.equal(uploads.list[0].state, "done");
});

test("clearing leaves what is still on its way", async () => {
  const { sent, send } = line();
  const uploads = new Uploads(send);
  uploads.add([file("a"), file("b")], place);
  sent[0].resolve(installed(1));
  await turn();
  uploads.clear();
  assert.deepEqual(uploads.list.map((one) => one.file.name), ["b"]);
});
