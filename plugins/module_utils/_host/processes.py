# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at what a process has open: as ourselves, else as its own user.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import typing as t

#: linux/capability.h
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_SYS_PTRACE = 1, 2, 19

Found = t.TypeVar("Found")


def look_at(process: str, look: t.Callable[[str], Found]) -> Found:
    """What `look` finds out about a process.

    Args:
        process: /proc and its number.
        look: is given that. It raises PermissionError where something is hidden.

    Raises:
        PermissionError: it is hidden from us for lack of a right, and we cannot look as its user.
        OSError: the process has ended, or shows itself to nobody, whatever rights one has: a sandbox's own, say.
    """
    try:
        return look(process)
    except PermissionError:
        try:
            with as_owner(process):
                return look(process)
        except PermissionError:
            if _has_every_right():
                raise ProcessLookupError(f"{process} shows itself to nobody") from None
            raise


def _has_every_right() -> bool:
    """Whether we have the capabilities that it takes to look at any process."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        held = next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)
    return bool(held >> _CAP_SYS_PTRACE & 1) and bool(held >> _CAP_DAC_OVERRIDE & 1 or held >> _CAP_DAC_READ_SEARCH & 1)


def stat_of(descriptor: str) -> t.Optional[os.stat_result]:
    """The file behind a descriptor of a process; None where it is closed meanwhile, or its own file system shows it to nobody else.

    Raises:
        PermissionError: the process hides it.
    """
    try:
        return os.stat(descriptor)
    except PermissionError:
        with contextlib.suppress(FileNotFoundError):
            os.readlink(descriptor)
    except OSError:
        pass
    return None


@contextlib.contextmanager
def as_owner(process: str) -> t.Iterator[None]:
    """Look as the process's own user, whom the kernel lets see its descriptors: root of a container may not, without CAP_SYS_PTRACE.

    It takes both ids of the file system, and keeps the capabilities that the process may have too: ptrace(2), "Ptrace access mode
    checking"; setfsuid(2).

    Raises:
        PermissionError: we are not root, or it is root's.
    """
    owner = os.stat(process)
    if os.geteuid() != 0 or owner.st_uid == 0:
        raise PermissionError
    libc = ctypes.CDLL(None)
    # Each gives the id of before; the user last, who may not change the group.
    group = libc.setfsgid(owner.st_gid)
    user = libc.setfsuid(owner.st_uid)
    try:
        yield
    finally:
        libc.setfsuid(user)
        libc.setfsgid(group)
