"""The whole library as one small answer, which says the same as the list."""

import gzip
import json
import random
from datetime import datetime

import pytest
from loradex.catalog.catalog import Catalog
from loradex.catalog.index.store import Put
from loradex.catalog.network_file import NetworkFile
from loradex.catalog.records import FileFacts, Summary
from loradex.server.live import Live

V1 = "/loradex/v1"


def decoded(content):
    """The rows of an index or an event as dictionaries."""
    columns = {}
    for name, column in content["columns"].items():
        if isinstance(column, dict):
            values = column["values"]
            column = [[values[one] for one in code] if isinstance(code, list) else values[code]
                      for code in column["codes"]]
        columns[name] = column
    assert len({len(column) for column in columns.values()}) == 1
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def as_listed(row):
    """A row of the index in the words of the list."""
    stem = row["file"].rpartition(".")[0]
    return {
        "key": row["key"], "root": row["root"],
        "id": "/".join(part for part in (row["folder"], row["file"]) if part),
        "short_name": row["short"] or stem, "title": row["title"], "presence": row["presence"],
        "status": row["status"], "family": row["family"] or None,
        "candidates": row["candidates"], "types": row["types"], "rank": row["rank"],
        "verdict": row["verdict"] or None, "fault": row["fault"] or None,
        "trigger_words": row["words"], "preferred_strength": row["strength"],
        "favourite": bool(row["favourite"]), "rating": row["rating"],
        "size_bytes": row["size"], "modified": row["modified"], "preview": bool(row["preview"]),
    }


def listed(row):
    row = dict(row)
    name = row.pop("name")
    row["fault"] = row["fault"] and row["fault"]["code"]
    row["title"] = "" if row["title"] == name else row["title"]
    row["modified"] = int(datetime.fromisoformat(row["modified"]).timestamp())
    return row


def test_it_says_the_same_as_the_list(client, host, sd1, roots):
    (roots[0] / "ink.preview.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (roots[0] / "ink.civitai.info").write_text('{"images": [{"nsfwLevel": 4}], "trainedWords": []}')
    catalog = host.catalog()
    catalog.refresh()
    host.loaded = sd1
    key = catalog.entry("ink").key
    catalog.organiser.edit([key], favourite=True, rating=7, tags=["a", "b"], notes="n")
    rows = client.get(f"{V1}/networks?limit=500").json()["networks"]
    content = client.get(f"{V1}/index").json()
    found = decoded(content)
    assert [as_listed(row) for row in found] == [
        listed(row) for row in sorted(rows, key=lambda row: row["key"])]
    assert content["roots"] == [str(root) for root in roots]
    ink = next(row for row in found if row["key"] == key)
    assert (ink["tags"], ink["notes"], ink["verdict"]) == (["a", "b"], 1, "fits")


def test_it_is_sent_again_only_when_something_changed(client, host):
    first = client.get(f"{V1}/index")
    assert first.headers["content-encoding"] == "gzip"
    tag = first.headers["etag"]
    for known in (tag, f'"x", W/{tag}'):
        again = client.get(f"{V1}/index", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["x-loradex-revision"] == first.headers["x-loradex-revision"]
    key = first.json()["columns"]["key"][0]
    host.catalog().organiser.edit([key], favourite=True)
    again = client.get(f"{V1}/index", headers={"If-None-Match": tag})
    assert again.status_code == 200
    assert again.headers["x-loradex-revision"] != first.headers["x-loradex-revision"]


def test_it_is_made_once_for_each_state(host, monkeypatch):
    live, made = Live(host), []
    read = host.catalog().store.light
    monkeypatch.setattr(host.catalog().store, "light", lambda *a: made.append(a) or read(*a))
    assert live.index() is live.index()
    assert len(made) == 1


@pytest.fixture
def large(tmp_path):
    chance = random.Random(1)
    words = [a + b for a in ("ink", "wash", "moon", "neon") for b in ("style", "girl", "XL", "v2")]
    root = tmp_path / "Lora"
    puts = []
    for number in range(20_000):
        name = f"{chance.choice(words)}_{chance.choice(words)}_{number:05d}"
        file_id = f"{chance.choice(words)}/{chance.choice('abc')}/{name}.safetensors"
        file = NetworkFile(file_id, name, root / file_id, root, chance.randrange(10**7, 3 * 10**8),
                           1_700_000_000_000_000_000 + number * 977 * 10**9, number + 1, 1)
        facts = FileFacts("ok", f"{number:032x}", structure=f"s{number % 300}", kind="lora",
                          family=chance.choice(["sdxl", "sd1", "flux1"]), types={"lora": 264},
                          rank=chance.choice([4, 8, 16, 32]), evidence=("its modules are there",))
        summary = Summary(title=f"{name} by me", trigger_words=tuple(chance.sample(words, 2)),
                          description="lorem ipsum " * 30, tags=tuple(chance.sample(words, 4)),
                          preview=f"{name}.png", preferred_strength=chance.choice([None, 0.8]))
        puts.append(Put(file, facts, summary, f"{number:x}"))
    with Catalog([root]) as catalog:
        catalog.store.apply(puts)
        yield catalog


def test_twenty_thousand_files_take_less_than_a_megabyte(large):
    from tests.server.conftest import FakeHost

    packed = Live(FakeHost(large)).index()
    assert len(packed.body) < 1_000_000
    assert json.loads(gzip.decompress(packed.body))["rows"] == 20_000
