"""Network drives are told by what the system says of its mounts."""

import sys
from pathlib import Path

import pytest
from loradex.catalog.disk import mounts
from loradex.catalog.disk.mounts import parse_mount, parse_mountinfo, remote_kind

MOUNTINFO = r"""
22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw
28 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 28 0:44 / /mnt/my\040nas rw shared:5 - nfs4 nas:/share rw,vers=4.2
41 28 0:45 / /mnt/c rw - 9p C:\134 rw,aname=drvfs;path=C:\;uid=1000
42 28 0:46 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
43 28 0:47 / /mnt/ssh rw - fuse.sshfs me@host: rw
44 40 8:3 / /mnt/my\040nas/local rw - ext4 /dev/sdc1 rw
"""

MOUNT = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@nas._smb._tcp.local/share on /Volumes/my share (smbfs, nodev, nosuid, mounted by me)
"""


def test_every_mount_is_read_with_its_kind():
    assert ("/mnt/my nas", "nfs4") in parse_mountinfo(MOUNTINFO)
    assert parse_mount(MOUNT) == [("/", "apfs"), ("/Volumes/my share", "smbfs")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows is asked by drive")
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me/Lora", ""), ("/mnt/my nas/Lora", "nfs4"), ("/mnt/my nas/local/Lora", ""),
        ("/mnt/my nas2", ""), ("/mnt/c/Lora", "9p"), ("/mnt/ntfs/Lora", ""),
        ("/mnt/ssh", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_decides(folder, kind, monkeypatch):
    monkeypatch.setattr(mounts, "_mounts", lambda: parse_mountinfo(MOUNTINFO))
    assert remote_kind(Path(folder)) == kind


def test_a_system_that_does_not_tell_has_local_disks(tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "_mounts", list)
    assert remote_kind(tmp_path) == ""


def test_a_temporary_folder_of_this_machine_is_asked_for_real(tmp_path):
    assert isinstance(remote_kind(tmp_path), str)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("\\\\nas\\share\\Lora", "share"), ("\\\\?\\UNC\\nas\\share", "share"), ("C:\\Lora", "")],
)
def test_windows_shares_are_told_by_their_path(path, kind, monkeypatch):
    import ntpath

    monkeypatch.setattr(mounts.os.path, "splitdrive", ntpath.splitdrive)
    monkeypatch.setattr(mounts.ctypes, "windll", None, raising=False)
    assert mounts._windows_kind(path) == kind
