"""Which folders lie on file systems whose changes the system does not tell: network drives."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_REMOTE = frozenset((
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "webdav", "ncpfs", "afs", "ceph",
    "glusterfs", "lustre", "beegfs", "gpfs", "orangefs", "ocfs2", "gfs2",
    "9p", "drvfs", "virtiofs", "vboxsf", "prl_fs", "vmhgfs",  # folders of a virtual machine's host
    "fuse",
))  # fmt: skip
"""What another machine writes there raises no event here. So also every `fuse.*` (sshfs, rclone,
Google Drive), while `fuseblk` (NTFS) is a local disk."""

_MOUNT_LINE = re.compile(r"^.* on (?P<place>/.*) \((?P<kind>[^,)]+)")
_OCTAL = re.compile(r"\\([0-7]{3})")
_DRIVE_REMOTE = 4


def remote_kind(folder: Path) -> str:
    """The kind of network file system on which a folder lies, or '' for a disk of this machine."""
    real = os.path.realpath(folder)
    if sys.platform == "win32":
        return _windows_kind(real)
    kind = _kind_of(real, _mounts())
    return kind if kind in _REMOTE or kind.startswith("fuse.") else ""


def parse_mountinfo(text: str) -> list[tuple[str, str]]:
    """(mount point, kind) of every line of Linux' /proc/self/mountinfo (proc(5))."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) > 4 and right:
            place = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
            found.append((place, right.split(" ")[0]))
    return found


def parse_mount(text: str) -> list[tuple[str, str]]:
    """(mount point, kind) of every line that macOS' `mount` prints."""
    matches = map(_MOUNT_LINE.match, text.splitlines())
    return [(match["place"], match["kind"]) for match in matches if match]


def _kind_of(real: str, mounts: Iterable[tuple[str, str]]) -> str:
    """The kind of the innermost mount; of two at one place the later one hides the other."""
    kind, length = "", -1
    for place, each in mounts:
        inside = real == place or real.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= length:
            kind, length = each, len(place)
    return kind


def _mounts() -> list[tuple[str, str]]:
    try:
        if sys.platform == "darwin":
            done = subprocess.run(
                ["/sbin/mount"], capture_output=True, text=True, check=False, timeout=5
            )
            return parse_mount(done.stdout)
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    except (OSError, subprocess.SubprocessError):  # a system that does not tell
        return []


def _windows_kind(real: str) -> str:
    drive = os.path.splitdrive(real)[0]
    if drive.startswith("\\\\") and not drive.startswith(("\\\\?\\", "\\\\.\\")):
        return "share"
    if drive.upper().startswith("\\\\?\\UNC"):
        return "share"
    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return ""
    kind = windll.kernel32.GetDriveTypeW(drive.removeprefix("\\\\?\\") + "\\")
    return "network drive" if kind == _DRIVE_REMOTE else ""
