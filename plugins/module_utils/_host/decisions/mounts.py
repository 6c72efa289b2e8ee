# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounted file systems of a host: each once, and those that were made read-only.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
import typing as t

#: File systems that hold nobody's data, or the network's, or that nobody can ever write to.
_NOT_OURS = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cramfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "erofs",
    "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "proc", "pstore", "ramfs",
    "romfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tracefs", "udf", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph",
    "fuse.sshfs",
})
#: What the kernel shows among the options of a file system that takes no writes any more, although it is mounted for writing.
_STOPPED = frozenset({"emergency_ro", "shutdown"})
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(t.NamedTuple):
    """One line of /proc/self/mountinfo.

    Attributes:
        number: major:minor of the file system, the same for all its mounts.
        root: the directory of the file system that is mounted.
        point: where.
        read_only: nothing can be written through this mount.
        failed: it is mounted for writing, and the kernel has stopped that since.
        upper: the directory that an overlay writes to.
    """

    number: str
    root: str
    point: str
    kind: str
    device: str
    read_only: bool = False
    failed: bool = False
    upper: str = ""

    @property
    def on_device(self) -> bool:
        """Whether a device of this host holds its data. FUSE names /dev/fuse where its program names nothing; ZFS names a pool."""
        return self.kind == "zfs" or (self.device.startswith("/dev/") and self.device != "/dev/fuse")


@dataclasses.dataclass(frozen=True)
class FileSystem:
    """A file system that may be anybody's data.

    Attributes:
        mount: where it is judged.
        numbers: of it, and of the overlays that write to it.
        covered: another file system is mounted over it wherever it is, so that nobody can look at it.
    """

    mount: Mount
    numbers: frozenset[str]
    covered: bool = False


def unescaped(text: str) -> str:
    """A path of /proc/self/mountinfo or fstab(5), in which blanks are written \\040."""
    return _OCTAL.sub(lambda hit: chr(int(hit.group(1), 8)), text)


def mounts(text: str) -> list[Mount]:
    """The mounts of /proc/self/mountinfo, in their order."""
    found = []
    for line in text.splitlines():
        left, _dash, right = line.partition(" - ")
        where, what = left.split(" "), right.split(" ")
        if len(where) < 6 or len(what) < 3:
            continue
        through, options = where[5].split(","), what[2].split(",")
        kind, device = what[0], unescaped(what[1])
        # A file system that is mounted read-only on purpose is so in both lists.
        stopped = "ro" in options or bool(_STOPPED & set(options))
        upper = next((unescaped(one[len("upperdir="):]) for one in options if one.startswith("upperdir=")), "")
        one = Mount(where[2], unescaped(where[3]), unescaped(where[4]), kind, device, "ro" in through or stopped, upper=upper)
        found.append(one._replace(failed=one.on_device and stopped and "ro" not in through))
    return found


def holder(mounted: t.Iterable[Mount], path: str) -> t.Optional[Mount]:
    """The mount that a path is in; of several at one point the last, which covers the others."""
    found = None
    for one in mounted:
        if within(path, one.point) and (found is None or len(one.point) >= len(found.point)):
            found = one
    return found


def within(path: str, point: str) -> bool:
    """Whether a path is a directory or something below it."""
    return path == point or path.startswith(f"{point.rstrip('/')}/")


def file_systems(mounted: t.Sequence[Mount], *, fstab: str, there: t.Callable[[str], bool]) -> list[FileSystem]:
    """The local file systems that can be written to or are meant to be, each once, however often it is mounted.

    Args:
        mounted: from mounts().
        fstab: text of /etc/fstab.
        there: whether a directory is there. What an overlay writes to may have another path in the container that we are in.
    """
    wanted = _to_be_written(fstab)
    on_top = {one.point: one.number for one in mounted}
    by_number: dict[str, list[Mount]] = {}
    for one in mounted:
        if one.kind not in _NOT_OURS:
            by_number.setdefault(one.number, []).append(one)
    chosen: dict[str, list[Mount]] = {}
    for number, members in by_number.items():
        # Its whole is better than a directory of it, and the path that fstab or the shortest name gives it is what people call it.
        members.sort(key=lambda one: (on_top[one.point] != one.number, one.root != "/", one.point not in wanted, len(one.point), one.point))
        best = next((one for one in members if not one.read_only), None)
        missed = [one for one in members if one.read_only and (one.failed or one.point in wanted)]
        # Where it can be written to at all, each other place that fstab wants to be written to is a case of its own.
        picked = [best, *(one for one in missed if one.point in wanted)] if best else missed[:1]
        if picked:
            chosen[number] = picked
    under = _overlays(chosen, mounted, there=there)
    return sorted(
        (FileSystem(one, frozenset({number, *(over for over, base in under.items() if base == number)}), on_top[one.point] != number)
         for number, picked in chosen.items() if number not in under for one in picked),
        key=lambda one: (one.mount.point, one.covered),
    )


def _overlays(
    chosen: t.Mapping[str, t.Sequence[Mount]], mounted: t.Sequence[Mount], *, there: t.Callable[[str], bool],
) -> dict[str, str]:
    """Overlays whose space is that of another file system which is judged, by their numbers: a container's has no space of its own."""
    found = {}
    for number, (one, *_others) in chosen.items():
        if one.kind == "overlay" and one.upper and there(one.upper):
            base = holder(mounted, posixpath.normpath(one.upper))
            if base is not None and base.number in chosen and base.number != number and base.kind != "overlay":
                found[number] = base.number
    return found


def _to_be_written(fstab: str) -> frozenset[str]:
    """The mount points that fstab(5) wants to be written to."""
    lines = (line.split() for line in fstab.splitlines() if not line.lstrip().startswith("#"))
    return frozenset(unescaped(parts[1]) for parts in lines if len(parts) >= 4 and "ro" not in parts[3].split(","))
