# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file systems of a mount table are judged, and where."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.mounts import FileSystem, file_systems, holder, mounts

TABLE = """\
21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
22 21 254:1 /srv/x /var/lib/docker/bind rw,relatime shared:1 master:2 - ext4 /dev/vda1 rw
23 21 0:20 / /proc rw - proc proc rw
24 21 254:2 / /mnt/with\\040blank rw - xfs /dev/vdb rw
25 21 11:0 / /media/cd ro - iso9660 /dev/sr0 ro
26 21 254:3 / /srv/archive ro,relatime - ext4 /dev/vdc ro
27 21 0:21 / /run rw,nosuid - tmpfs tmpfs rw
28 27 0:21 /user /run/again rw,nosuid - tmpfs tmpfs rw
29 21 0:22 / /tmp rw,nosuid - tmpfs tmpfs rw
30 21 0:23 / /nas rw - nfs4 nas:/x rw
broken
"""


def judged(table: str, *, fstab: str = "", there: bool = True) -> list[FileSystem]:
    return file_systems(mounts(table), fstab=fstab, there=lambda path: there)


def points(table: str, **more: object) -> list[str]:
    return [one.mount.point for one in judged(table, **more)]  # type: ignore[arg-type]


def test_local_writable_file_systems_once_each() -> None:
    assert [(one.mount.point, one.mount.kind) for one in judged(TABLE)] == [
        ("/", "ext4"), ("/mnt/with blank", "xfs"), ("/run", "tmpfs"), ("/tmp", "tmpfs"),
    ]


@pytest.mark.parametrize(("fstab", "missing"), [
    ("/dev/vdc /srv/archive ext4 defaults,errors=remount-ro 0 2\n", True), ("/dev/vdc /srv/archive ext4 ro 0 2\n", False), ("", False),
    ("# /dev/vdc /srv/archive ext4 defaults 0 2\n/dev/vda1 / ext4 defaults 0 1\n", False),
])
def test_what_is_read_only_and_meant_to_be_written_to(fstab: str, missing: bool) -> None:
    assert ("/srv/archive" in points(TABLE, fstab=fstab)) is missing


@pytest.mark.parametrize(("line", "missing"), [
    ("ext4 /dev/vdd ro,errors=remount-ro", True), ("ext4 /dev/vdd rw,errors=remount-ro,emergency_ro", True),
    ("ext4 /dev/vdd rw,shutdown", True),
    # What can never be written to, and what was mounted without a place to write to.
    ("erofs /dev/vdd ro", False), ("overlay overlay ro,lowerdir=/a:/b", False),
])
def test_what_was_mounted_for_writing_and_takes_no_writes_now_needs_no_fstab(line: str, missing: bool) -> None:
    found = judged(f"1 0 8:1 / /data rw,relatime - {line}\n")
    assert [one.mount.failed for one in found] == [True] * missing


def test_the_place_that_fstab_names_is_judged_whatever_is_shorter() -> None:
    table = "1 0 8:1 / /data ro - ext4 /dev/sda1 ro\n2 0 8:1 /x /b ro - ext4 /dev/sda1 ro\n"
    assert points(table, fstab="/dev/sda1 /data ext4 defaults 0 2\n") == ["/data"]
    # The same disk, elsewhere mounted for writing: each place has its own answer.
    both = "1 0 8:1 / /data ro - ext4 /dev/sda1 rw\n2 0 8:1 / /b rw - ext4 /dev/sda1 rw\n"
    assert points(both, fstab="/dev/sda1 /data ext4 defaults 0 2\n") == ["/b", "/data"]


OVERLAYS = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:50 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/var/lib/docker/overlay2/a/diff,workdir=/w
3 1 0:51 / /var/lib/docker/overlay2/b/merged rw - overlay overlay rw,lowerdir=/l/A,upperdir=/var/lib/docker/overlay2/b/diff,workdir=/w
"""


def test_the_overlays_of_containers_are_the_file_system_that_they_write_to() -> None:
    (one,) = judged(OVERLAYS)
    assert (one.mount.point, one.numbers) == ("/", {"8:1", "0:50", "0:51"})
    # In a container the path is another's: the space is not that of anything here.
    assert len(judged(OVERLAYS, there=False)) == 3


@pytest.mark.parametrize(("line", "on_device"), [
    ("ext4 /dev/vdb rw", True), ("fuseblk /dev/sdb1 rw", True), ("zfs tank/data rw", True), ("fuse /dev/fuse rw", False),
    ("overlay overlay rw", False), ("fuse.s3fs bucket rw", False), ("tmpfs tmpfs rw", False), ("tmpfs  rw", False),
])
def test_what_a_device_of_this_host_holds(line: str, on_device: bool) -> None:
    assert [one.on_device for one in mounts(f"1 0 0:9 / /data rw - {line}")] == [on_device]


def test_two_fuse_mounts_without_a_name_are_two() -> None:
    assert points("1 0 0:8 / /a rw - fuse /dev/fuse rw\n2 0 0:9 / /b rw - fuse /dev/fuse rw\n") == ["/a", "/b"]


@pytest.mark.parametrize(("path", "number"), [
    ("/srv", "254:1"), ("/srv/archive/x", "254:3"), ("/srv/archives", "254:1"), ("/run/again", "0:21"), ("/tmp", "0:22"),
])
def test_the_mount_that_holds_a_path(path: str, number: str) -> None:
    found = holder(mounts(TABLE), path)
    assert found is not None and found.number == number
