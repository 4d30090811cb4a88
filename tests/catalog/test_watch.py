"""A watcher on real folders: what happens there is listed once and soon, and it can be ended."""

import errno
import os
import shutil
import sys
import threading
import time

import pytest
from loradex.catalog.disk import arming, native
from loradex.catalog.disk.native import CannotWatchError, NativeWatch, check_room
from loradex.catalog.disk.watch import Timing, Watcher
from loradex.errors import InputError

from tests.catalog.diskkit import Live, model, wait_until, write

posix = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
SOON = 2.0
QUICK = Timing(poll=0.1, check=0.1)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    """Shorter rests: `test_settle` has the real ones."""
    monkeypatch.setattr("loradex.catalog.disk.settle.REST", 0.1)
    monkeypatch.setattr("loradex.catalog.disk.settle.GATHER", 0.2)


@pytest.fixture(params=["", "the user wants it"], ids=["native", "polling"])
def live(request, root):
    if not request.param:
        pytest.importorskip("watchdog")
    made = Live(root, timing=QUICK, polling=request.param).start()
    yield made
    made.close()


class TestWhatHappens:
    """In both modes."""

    def test_a_new_file_is_listed_within_two_seconds(self, live, root):
        write(root / "a.safetensors", model("a"))
        assert live.wait_for("a.safetensors") < SOON

    def test_five_hundred_files_at_once_are_listed_in_few_batches(self, live, root):
        before = len(live.batches)
        names = [f"{n}.safetensors" for n in range(500)]
        for name in names:
            write(root / name, model(name))
        assert live.wait_for(*names) < SOON + 1
        assert len(live.batches) - before <= 6
        assert live.library.is_true()

    def test_a_slow_copy_is_listed_once_and_soon_after_its_last_byte(
        self, live, root, monkeypatch
    ):
        # The writer and the poller may be held up on a busy machine; giving up has its own tests.
        monkeypatch.setattr("loradex.catalog.disk.settle.REST", 0.4)
        monkeypatch.setattr("loradex.catalog.disk.settle.PATIENCE", 60)
        content = model("x" * 4000)
        before = len(live.batches)
        with (root / "a.safetensors").open("wb") as file:
            for start in range(0, len(content), 500):
                file.write(content[start : start + 500])
                file.flush()
                time.sleep(0.15)
        assert live.wait_for("a.safetensors") < SOON
        assert live.library.is_true()
        assert sum(root / "a.safetensors" in batch for batch in live.batches[before:]) == 1

    def test_a_download_is_listed_under_its_final_name_alone(self, live, root):
        path = write(root / "a.safetensors.crdownload", model("a"))
        time.sleep(0.6)
        assert live.library.ids() == []
        path.rename(root / "a.safetensors")
        live.wait_for("a.safetensors", seconds=SOON)

    def test_an_atomic_replacement_keeps_the_star(self, live, root):
        path = write(root / "a.safetensors", model("old"))
        live.wait_for("a.safetensors")
        live.library.star("a.safetensors", "star")
        write(root / "a.safetensors.tmp", model("new")).replace(path)
        wait_until(lambda: live.library.find("a.safetensors").file.inode == path.stat().st_ino)
        assert live.library.is_true()
        assert live.library.stars() == {"a.safetensors": "star"}

    def test_a_move_and_a_renamed_folder_take_the_star_along(self, live, root):
        path = write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        live.library.star("a.safetensors", "star")
        (root / "one").mkdir()
        path.rename(root / "one" / "b.safetensors")
        live.wait_for("one/b.safetensors")
        (root / "one").rename(root / "two")
        live.wait_for("two/b.safetensors")
        assert live.library.stars() == {"two/b.safetensors": "star"}

    def test_a_deleted_file_goes_and_comes_back_with_its_star(self, live, root):
        path = write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        live.library.star("a.safetensors", "star")
        path.unlink()
        live.wait_for()
        write(path, model("a"))
        live.wait_for("a.safetensors")
        assert live.library.stars() == {"a.safetensors": "star"}

    def test_an_edited_sidecar_is_noticed(self, live, root):
        write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        write(root / "a.json", "notes")
        wait_until(lambda: live.library.find("a.safetensors").summary.notes == "notes")

    def test_a_copied_tree_is_listed_whole(self, live, root, tmp_path):
        for n in range(40):
            write(tmp_path / "from" / f"{n % 5}" / "x" / f"{n}.safetensors", model(f"{n}"))
        shutil.copytree(tmp_path / "from", root / "to")
        wait_until(lambda: len(live.library.ids()) == 40)
        assert live.library.is_true()

    def test_a_root_goes_away_and_comes_back(self, live, root, tmp_path):
        write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        live.library.star("a.safetensors", "star")
        root.rename(tmp_path / "unplugged")
        wait_until(lambda: live.library.ids("offline") == ["a.safetensors"])
        wait_until(lambda: live.watcher.status().offline == (root,))
        assert str(root) in live.watcher.status().reason
        write(tmp_path / "unplugged" / "b.safetensors", model("b"))
        (tmp_path / "unplugged").rename(root)
        live.wait_for("a.safetensors", "b.safetensors")
        write(root / "c.safetensors", model("c"))
        live.wait_for("a.safetensors", "b.safetensors", "c.safetensors")
        assert live.library.stars() == {"a.safetensors": "star"}

    def test_what_happened_while_it_was_stopped_is_found_by_the_next_start(self, live, root):
        write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        live.watcher.stop()
        write(root / "b.safetensors", model("b"))
        (root / "a.safetensors").unlink()
        live.start()
        live.wait_for("b.safetensors")

    @posix
    def test_a_linked_folder_is_watched_where_it_really_is(self, live, root, tmp_path):
        write(tmp_path / "v1" / "a.safetensors", model("a"))
        write(tmp_path / "v2" / "b.safetensors", model("b"))
        (root / "now").symlink_to(tmp_path / "v1")
        live.wait_for("now/a.safetensors")
        wait_until(lambda: armed(live, tmp_path / "v1"))
        write(tmp_path / "v1" / "c.safetensors", model("c"))
        live.wait_for("now/a.safetensors", "now/c.safetensors")
        (root / "now").unlink()
        (root / "now").symlink_to(tmp_path / "v2")
        live.wait_for("now/b.safetensors")
        wait_until(lambda: armed(live, tmp_path / "v2"))
        (tmp_path / "v2" / "b.safetensors").rename(tmp_path / "v2" / "d.safetensors")
        live.wait_for("now/d.safetensors")

    @posix
    def test_a_loop_of_links_is_no_matter(self, live, root):
        (root / "loop").symlink_to(root, target_is_directory=True)
        (root / "self").symlink_to(root / "self")
        write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")

    def test_it_stops_and_leaves_no_thread(self, live, root):
        write(root / "a.safetensors", model("a"))
        live.watcher.stop()
        live.watcher.stop()
        assert [t.name for t in threading.enumerate() if "watch" in t.name.lower()] == []
        assert live.watcher.status().mode == "off"


def armed(live, folder):
    """Whether events of this folder arrive; a polling watcher needs none."""
    loop, _ = live.watcher._running
    plan = loop._arming.plan
    return bool(plan.polled) or str(folder.resolve()) in plan.folders


class TestStatus:
    def test_events_of_the_system_are_used_where_there_are_any(self, root):
        pytest.importorskip("watchdog")
        live = Live(root, timing=QUICK).start()
        assert live.watcher.status().mode == "native"
        live.close()

    def test_no_watches_left_means_looking_and_says_what_to_do(self, root, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        pytest.importorskip("watchdog")
        monkeypatch.setattr("watchdog.observers.api.BaseObserver.start", full)
        live = Live(root, timing=QUICK).start()
        status = live.watcher.status()
        assert (status.mode, status.polled) == ("polling", (root,))
        if sys.platform == "linux":
            assert "no watches left" in status.reason
            assert "max_user_watches" in status.reason
        write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        live.close()

    def test_watches_that_run_out_later_are_noticed_when_folders_are_made(self, root, monkeypatch):
        pytest.importorskip("watchdog")
        live = Live(root, timing=QUICK).start()
        assert live.watcher.status().mode == "native"

        def full(_):
            raise CannotWatchError("watching", "the system has no watches left")

        monkeypatch.setattr(arming, "check_room", full)
        monkeypatch.setattr(native, "check_room", full)
        (root / "new").mkdir()
        wait_until(lambda: live.watcher.status().mode == "polling")
        write(root / "new" / "a.safetensors", model("a"))
        live.wait_for("new/a.safetensors")
        live.close()

    def test_without_watchdog_it_looks_and_says_so(self, root, monkeypatch):
        monkeypatch.setitem(sys.modules, "watchdog", None)
        live = Live(root, timing=QUICK).start()
        status = live.watcher.status()
        assert status.mode == "polling"
        assert "watchdog package is not installed" in status.reason
        write(root / "a.safetensors", model("a"))
        live.wait_for("a.safetensors")
        live.close()

    def test_a_network_drive_is_looked_at_and_named(self, root, tmp_path, monkeypatch):
        local = tmp_path / "local"
        local.mkdir()
        monkeypatch.setattr(arming, "remote_kind", lambda path: "nfs" if path == root else "")
        live = Live(root, local, timing=QUICK).start()
        status = live.watcher.status()
        assert status.polled == (root,)
        assert f"{root} is on a network file system (nfs)" in status.reason
        write(root / "a.safetensors", model("a"))
        write(local / "b.safetensors", model("b"))
        live.wait_for("a.safetensors", "b.safetensors")
        live.close()

    def test_before_the_start_it_is_off(self, root):
        assert Watcher([root], lambda paths: None).status().mode == "off"


class TestTrouble:
    def test_an_error_of_the_listener_is_logged_and_all_is_looked_at_again(
        self, root, monkeypatch, caplog
    ):
        monkeypatch.setattr("loradex.catalog.disk.watch_loop._RETRY", 0.1)
        calls = []

        def fails_once(paths):
            calls.append(set(paths))
            if len(calls) == 1:
                raise InputError("the index", "is locked")

        watcher = Watcher([root], fails_once, timing=QUICK)
        watcher.start()
        wait_until(lambda: len(calls) >= 2)
        watcher.stop()
        assert calls[1] == {root}
        assert "is locked" in caplog.text

    def test_more_events_than_a_queue_holds_mean_a_look_at_everything(self, root, monkeypatch):
        pytest.importorskip("watchdog")
        monkeypatch.setattr("loradex.catalog.disk.watch_loop._BURST", 20)
        live = Live(root, timing=QUICK).start()
        before = len(live.batches)
        for n in range(30):
            write(root / f"{n}.safetensors", model(f"{n}"))
        wait_until(lambda: any(root in batch for batch in live.batches[before:]))
        live.close()

    def test_everything_is_looked_at_now_and_then(self, root):
        live = Live(root, timing=Timing(check=0.1, round=0.3)).start()
        wait_until(lambda: len(live.batches) >= 3)
        assert all(batch == {root} for batch in live.batches)
        live.close()

    def test_files_that_do_not_matter_wake_nobody(self, root):
        pytest.importorskip("watchdog")
        live = Live(root, timing=QUICK).start()
        before = len(live.batches)
        for name in ("a.zip", ".hidden.safetensors", ".git/a.safetensors", "a.safetensors.part"):
            write(root / name, b"x")
        time.sleep(0.8)
        assert live.batches[before:] == []
        live.close()

    def test_a_folder_that_vanishes_at_once_is_refused_and_leaves_no_thread(self, tmp_path):
        pytest.importorskip("watchdog")
        if sys.platform == "linux":
            before = set(threading.enumerate())
            with pytest.raises(CannotWatchError):
                NativeWatch([str(tmp_path), str(tmp_path / "gone")], lambda path, is_folder: None)
            wait_until(lambda: set(threading.enumerate()) == before)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts watches")
    def test_the_room_for_watches_is_asked_of_the_system(self, tmp_path, monkeypatch):
        check_room([str(tmp_path)])

        class Full:
            def inotify_init1(self, flags):
                return os.open(tmp_path, os.O_RDONLY)

            def inotify_add_watch(self, handle, path, mask):
                return -1

        monkeypatch.setattr(native.ctypes, "CDLL", lambda *_, **__: Full())
        monkeypatch.setattr(native.ctypes, "get_errno", lambda: errno.ENOSPC)
        with pytest.raises(CannotWatchError, match="no watches left"):
            check_room([str(tmp_path)])
