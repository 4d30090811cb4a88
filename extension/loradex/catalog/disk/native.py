"""Events of the operating system for whole trees of folders, through the watchdog package."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from loradex.errors import LoradexError

OnEvent = Callable[[str, bool], None]
"""Is given a path at which something happened, and whether it is a folder's."""

_FULL = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_EVENTS = (
    "FileCreatedEvent", "FileModifiedEvent", "FileMovedEvent", "FileDeletedEvent",
    "FileClosedEvent", "FileAttribEvent", "DirCreatedEvent", "DirMovedEvent", "DirDeletedEvent",
)  # fmt: skip
"""All but reads, which our own looks cause by the thousand, and a folder's own times."""

_IN_DELETE_SELF = 0x400


class CannotWatchError(LoradexError):
    """The system gives no events for these folders; the message says why."""

    code = "cannot-watch"


class NativeWatch:
    """Watches whole trees until it is stopped; links inside them are not followed.

    Raises:
        CannotWatchError: watchdog is missing, or the system has no watches left.
    """

    def __init__(self, folders: Sequence[str], on_event: OnEvent) -> None:
        try:
            from watchdog import events
            from watchdog.observers import Observer
        except ImportError as error:
            raise CannotWatchError("watching", "the watchdog package is not installed") from error
        self._observer: Any = None
        # watchdog 7 warns, on its own thread, whenever nested folders come or go at once; it is
        # harmless, yet a run with warnings as errors loses that thread by it.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        kinds = [getattr(events, name) for name in _EVENTS if hasattr(events, name)]
        try:
            self._observer = Observer(timeout=0.2)
            for folder in folders:
                handler = _handler(events.FileSystemEventHandler, on_event)
                self._observer.schedule(handler, folder, recursive=True, event_filter=kinds)
            self._observer.start()
            check_room(folders)
        except OSError as error:
            self.stop()
            raise _refused(error) from error
        except CannotWatchError:
            self.stop()
            raise

    @property
    def alive(self) -> bool:
        """False once any folder is not watched any more: it was deleted, or a thread died."""
        threads = [self._observer, *self._observer.emitters]
        reader = getattr(self._observer, "_inotify_fd", None)  # watchdog 7, in none of its lists
        threads += [reader] if hasattr(reader, "is_alive") else []
        return all(thread.is_alive() for thread in threads)

    def stop(self) -> None:
        if self._observer is not None:
            self._observer.stop()  # also where it never ran: watchdog 7 has a thread by then
            if self._observer.is_alive():
                self._observer.join()


def check_room(folders: Sequence[str]) -> None:
    """Whether Linux has one more watch to give.

    watchdog 7 passes over folders below the first for which there was none, and every version
    does so for folders that are made later; then there is none left afterwards either.

    Raises:
        CannotWatchError: there is none.
    """
    if not sys.platform.startswith("linux") or not folders:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_CLOEXEC)
    if handle < 0:  # no more instances; the one that watches exists
        return
    try:
        if libc.inotify_add_watch(handle, os.fsencode(folders[0]), _IN_DELETE_SELF) < 0:
            code = ctypes.get_errno()
            if code in _FULL:
                raise _refused(OSError(code, os.strerror(code)))
    finally:
        os.close(handle)


def _handler(base: Any, on_event: OnEvent) -> Any:
    """watchdog's base class is known only once it is imported."""

    def dispatch(_: object, event: Any) -> None:
        for path in (event.src_path, getattr(event, "dest_path", "")):
            if path:
                on_event(os.fsdecode(path), bool(event.is_directory))

    return type("Handler", (base,), {"dispatch": dispatch})()


def _refused(error: OSError) -> CannotWatchError:
    if error.errno in _FULL and sys.platform.startswith("linux"):
        return CannotWatchError(
            "watching", "the system has no watches left", "",
            "Raise fs.inotify.max_user_watches and max_user_instances (sysctl).",
        )  # fmt: skip
    return CannotWatchError("watching", f"the system refused it ({error.strerror or error})")
