"""What pages are told while they look on, over a real server and a real connection."""

import json
import socket
import threading
import time

import pytest
from loradex.server.live import KEPT_EVENTS, MOST_ROWS, Live

from tests.catalog.netkit import write_lora
from tests.server.test_index import decoded

V1 = "/loradex/v1"


@pytest.fixture
def served(app_of, host):
    """The port of a server; `host.ends` tells its streams to end."""
    uvicorn = pytest.importorskip("uvicorn")
    host.ends = threading.Event()
    host.stopping = host.ends.is_set
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app_of(), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield port
        host.ends.set()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the open stream held the server"


class Stream:
    """An EventSource of sorts."""

    def __init__(self, port, since="", last=""):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        query = f"?since={since}" if since else ""
        header = f"Last-Event-ID: {last}\r\n" if last else ""
        request = f"GET {V1}/events{query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n"
        self.socket.sendall(request.encode())
        self.file = self.socket.makefile("rb")
        self.head = self._block()

    def _block(self):
        lines = []
        while (line := self.file.readline().strip()):
            lines.append(line.decode())
        return lines

    def next(self, kind):
        """The next event of a kind."""
        while True:
            lines = self._block()
            found = dict(line.split(": ", 1) for line in lines if ": " in line)
            if found.get("event") == kind:
                return found.get("id"), json.loads(found["data"])

    def close(self):
        self.file.close()
        self.socket.close()


def test_a_new_file_is_told_and_a_returning_page_catches_up(served, host, roots):
    stream = Stream(served)
    assert "content-encoding: identity" in [line.lower() for line in stream.head]
    number, _ = stream.next("hello")
    write_lora(roots[0] / "fresh.safetensors")
    host.catalog().refresh()
    _, told = stream.next("networks")
    assert [row["file"] for row in decoded(told)] == ["fresh.safetensors"]
    stream.close()
    (roots[0] / "fresh.safetensors").unlink()
    host.catalog().refresh()
    for again in (Stream(served, since=number), Stream(served, last=number)):
        _, first = again.next("networks")
        _, second = again.next("networks")
        assert decoded(first)
        assert second["gone"] == [decoded(told)[0]["key"]]
        again.close()
    for wrong in ("x", "deadbeef-0", number.partition("-")[0] + "-99999"):
        late = Stream(served, since=wrong)
        late.next("reset")
        late.close()


def test_checkpoints_and_reports_are_told(served, host, sd1):
    stream = Stream(served)
    stream.next("hello")
    time.sleep(1.5)
    host.loaded, host.report = sd1, {"summary": "ink 264/264"}
    assert stream.next("checkpoint")[1]["checkpoint"]["family"] == "sd1"
    assert stream.next("applied")[1] == host.report
    assert stream.next("verdicts")[1]["checkpoint"]["name"] == "sd1"
    stream.close()


def test_many_changes_are_one_event_and_too_many_a_reset(host, monkeypatch):
    live = Live(host)
    live.flush()
    marker = live.marker
    keys = host.catalog().store.light()
    for row in keys:
        host.catalog().organiser.edit([row.key], favourite=True)
    live.flush()
    told, marker = live.after(marker)
    assert [one.kind for one in told] == ["networks"]
    assert len(decoded(json.loads(told[0].data))) == len(keys)
    monkeypatch.setattr("loradex.server.live.MOST_ROWS", 1)
    assert MOST_ROWS > 500, "so many files that are copied in at once are no reset"
    for row in keys:
        host.catalog().organiser.edit([row.key], favourite=False)
    live.flush()
    assert [one.kind for one in live.after(marker)[0]] == ["reset"]
    for _ in range(KEPT_EVENTS + 1):
        live.tell("applied", {})
    assert live.after(marker) is None


def test_nobody_is_left_behind_when_pages_go(served, host, monkeypatch):
    lives = []
    join = Live.join
    monkeypatch.setattr(Live, "join", lambda self, wake: lives.append(self) or join(self, wake))
    streams = [Stream(served) for _ in range(3)]
    for stream in streams:
        stream.next("hello")
    assert lives[0].listeners == 3
    for stream in streams:
        stream.close()
    end = time.monotonic() + 5
    while lives[0].listeners:
        assert time.monotonic() < end
        time.sleep(0.02)
