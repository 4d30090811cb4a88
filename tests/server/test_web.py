"""The page's files: right types, kept for good, nothing else reachable."""

import gzip
import re

import pytest
from loradex.server.web import FOLDER, WebFiles

pytest.importorskip("fastapi")

LOADER = "/loradex/web/loradex.js"


@pytest.fixture
def files():
    return WebFiles()


def test_the_loader_names_all_modules_and_is_asked_for_again_each_time(client, files):
    answer = client.get(LOADER)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "private, no-cache"
    for path in FOLDER.rglob("*.js"):
        name = path.relative_to(FOLDER).as_posix()
        assert (f'"{name}"' in answer.text) is (name != "loader.js"), name
    assert files.digest in answer.text
    again = client.get(LOADER, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_each_file_is_sent_as_what_it_is_and_kept_for_good(client, files):
    kinds = {"js": "text/javascript", "css": "text/css", "json": "application/json"}
    assert {name.rpartition(".")[2] for name in files.files} == set(kinds)
    for name in files.files:
        answer = client.get(f"/loradex/web/{files.digest}/{name}")
        assert answer.content == gzip.decompress(files.files[name].body)
        assert name.endswith(".js") or answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_on_its_own_brings_in_the_loader(client):
    answer = client.get("/loradex/page")
    assert answer.headers["content-type"].startswith("text/html")
    assert re.search(r'<script type="module" src="web/loradex.js">', answer.text)


@pytest.mark.parametrize("name", [
    "../server/web.py", "..%2fserver%2fweb.py", "%2e%2e/server/web.py", "..\\server\\web.py",
    "jsconfig.json", "loader.js", "page.html", "", "/etc/passwd", "C:\\windows\\win.ini", "%00",
    "model/../loradex.js",
])  # fmt: skip
def test_nothing_but_the_pages_own_files_can_be_asked_for(client, files, name):
    answer = client.get(f"/loradex/web/{files.digest}/{name}")
    assert answer.status_code in (404, 200)
    if answer.status_code == 200:  # a client that tidies paths asked for a file that is there
        ours = gzip.decompress(files.files["loradex.js"].body).decode()
        assert answer.text in (ours, "the host's page")


def test_an_address_of_another_version_says_what_to_do(client):
    answer = client.get("/loradex/web/0123456789abcdef/loradex.js")
    assert answer.status_code == 404
    assert answer.json()["next_step"] == "Load the page again."


def test_another_file_makes_another_address(tmp_path):
    (tmp_path / "a.js").write_text("1;\n", encoding="utf-8")
    first = WebFiles(tmp_path).digest
    (tmp_path / "a.js").write_text("2;\n", encoding="utf-8")
    assert WebFiles(tmp_path).digest != first


def test_all_that_a_first_visit_reads_is_small(files):
    """With the index of 20,000 files (870 KB) it must stay below 1 MB."""
    sent = sum(len(one.body) for name, one in files.files.items() if name != "locales/zh-CN.json")
    assert gzip.decompress(files.files["loradex.js"].body)
    assert sent < 100_000


def test_modules_are_sent_line_by_line_without_their_comments(files):
    for name, one in files.files.items():
        if not name.endswith(".js"):
            continue
        source = (FOLDER / name).read_text(encoding="utf-8")
        assert not any(line.count("`") % 2 for line in source.splitlines()), name
        told = gzip.decompress(one.body).decode().split("\n")
        lines = source.split("\n")
        assert len(told) == len(lines)
        for said, line in zip(told, lines, strict=True):
            assert said == line or not said, name
            assert said == line or line.strip()[:2] in ("//", "/*", "*", "* ", "*/"), name
