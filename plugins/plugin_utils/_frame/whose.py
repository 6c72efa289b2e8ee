# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose outputs a snapshot has: which machine answered, and whether it is the controller itself.

This plugin util is PRIVATE to the collection: it may change at any time.

A local connection under another name, a task delegated to localhost and an inventory of port-forwards all answer from the
responder's own machine. A container shares the kernel, and so the boot id, with the machine that it runs on, and images are cloned
with their machine id. What no container shares with its machine unless it was told to is the process namespace.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import typing as t
from pathlib import Path

from .._record.utf8 import clean

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_BOOT_ID, _NAMESPACE = "/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"
#: What a host is asked, in one go with its clock; a shell of any kind of Unix answers.
QUESTION = "; ".join((
    'echo "clock=$(date +%s.%N)"', 'echo "hostname=$(uname -n)"',
    f'echo "machine_id=$(cat {" ".join(_MACHINE_IDS)} 2>/dev/null | head -n 1)"',
    f'echo "boot_id=$(cat {_BOOT_ID} 2>/dev/null)"', f'echo "pid_namespace=$(readlink {_NAMESPACE} 2>/dev/null)"',
))
_FORMS: t.Mapping[str, re.Pattern[str]] = {
    "hostname": re.compile(r"\S{1,255}\Z"), "machine_id": re.compile(r"[0-9a-f]{32}\Z"),
    "boot_id": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"), "pid_namespace": re.compile(r"pid:\[\d{1,20}\]\Z"),
}
_LOCAL = frozenset({"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "127.0.0.1", "::1"})


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine as it tells itself; "" is what it does not tell."""

    hostname: str = ""
    machine_id: str = ""
    boot_id: str = ""
    pid_namespace: str = ""


def heard(answer: str) -> tuple[float | None, Machine]:
    """The clock and the machine from the answer to QUESTION; what is not of the right form counts as not told."""
    told = dict(line.strip().partition("=")[::2] for line in answer.splitlines())
    machine = {name: clean(told.get(name, "")) for name in _FORMS}
    try:
        clock: float | None = float(told.get("clock", "").rstrip("N").rstrip("."))
    except ValueError:
        clock = None
    return clock, Machine(**{name: value if _FORMS[name].match(value) else "" for name, value in machine.items()})


def here() -> Machine:
    """The controller."""
    found = {"hostname": os.uname().nodename, "machine_id": "", "boot_id": _read(_BOOT_ID), "pid_namespace": ""}
    found["machine_id"] = next(filter(None, map(_read, _MACHINE_IDS)), "")
    with contextlib.suppress(OSError):
        found["pid_namespace"] = os.readlink(_NAMESPACE)
    return Machine(**{name: value if _FORMS[name].match(value) else "" for name, value in found.items()})


def is_same(one: Machine, other: Machine) -> bool:
    """Whether both are one machine: the same boot, and neither a machine id nor a process namespace that tells them apart.

    Where one does not tell its boot, an equal machine id or an equal name is enough: what is taken wrongly for the controller is said
    and can be allowed, what is taken wrongly for another machine is kept under its name.
    """
    if not one.boot_id or not other.boot_id:
        names = (one.hostname.lower(), other.hostname.lower())
        return any(first and first == second for first, second in (names, (one.machine_id, other.machine_id)))
    if one.boot_id != other.boot_id:
        return False
    pairs = ((one.machine_id, other.machine_id), (one.pid_namespace, other.pid_namespace))
    return all(not first or not second or first == second for first, second in pairs)


def is_told(machine: Machine) -> bool:
    """Whether a machine says anything of which machine it is; a process namespace alone is one of many with that number."""
    return bool(machine.boot_id or machine.machine_id or machine.hostname)


def is_called(host: str, machine: Machine) -> bool:
    """Whether the inventory calls a host what it is: localhost, or the machine's own name."""
    name = host.lower()
    own = machine.hostname.lower()
    return name in _LOCAL or (bool(own) and name in (own, own.partition(".")[0]))


def told(machine: Machine, *, controller: bool) -> dict[str, t.Any]:
    """What index and result say of the machine."""
    known = {name: value for name, value in dataclasses.asdict(machine).items() if value}
    return {**known, **({"controller": controller} if is_told(machine) else {})}


def refusal(host: str, machine: Machine) -> str:
    """Why nothing is kept under that name."""
    return (
        f"The machine that answers for {host} is the one that incident runs on ({machine.hostname or 'without a name'}): its outputs are "
        f"not those of {host}, so none are kept. Reach the host itself, or set evidence_local: true for it when this machine is meant."
    )


def unknown(host: str) -> str:
    """Why nothing is kept of a machine that does not say which it is."""
    return (
        f"The machine that answers for {host} tells neither its name nor its machine id nor its boot id, so it may be the one that "
        f"incident runs on, and none of its outputs are kept. See that uname and cat work there for the connection's user, or set "
        "evidence_local: true for it when either is meant."
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
