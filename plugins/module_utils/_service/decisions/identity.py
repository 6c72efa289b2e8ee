# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the unit that would be restarted the server that was judged?

It is when its main process is the one that listens where the server was looked at, and the one that answered, where that can be seen.
Where nobody listens, every connection is refused and the unit has no process either, it is stopped, and its start ends nobody.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import IncidentError

#: Types of units that have no process once they are active: they group others, which would be restarted with them.
_WITHOUT_PROCESS = ("oneshot",)
#: What systemd is about to change by itself.
_MOVING = ("activating", "deactivating", "reloading")
#: What a unit's identity is judged by, of the result of service_instances.
_OF_A_UNIT = ("id", "type", "state", "main_pid", "members")
HINT_IDENTITY = "Give the name of the unit that is this server, or restart it by hand."
#: The kinds of errors that the kernel gives where nobody listens.
_NOBODY_ANSWERS = ("refused", "no_socket")


@dataclasses.dataclass(frozen=True)
class Judged:
    """The server that was judged, as its host sees it.

    Attributes:
        listening: whether anybody on this host listens where it should be; None when that cannot be told.
        process: which process that is; None when it is not one, or not ours to see.
        unit: the unit that this process belongs to; empty when that cannot be told.
        answered: whether anybody answered, on this host or behind a rule of its packet filter, or might have. Only the error of a refused
            connection shows that nobody did, see answered().
        speaks: whether that process is the one that answered; None when that cannot be seen.
        unclear: why it cannot be told who listens; empty when that is for the usual reasons.
    """

    listening: t.Optional[bool] = None
    process: t.Optional[int] = None
    unit: str = ""
    answered: bool = True
    speaks: t.Optional[bool] = None
    unclear: str = ""


@dataclasses.dataclass(frozen=True)
class Proof:
    """What was shown.

    Attributes:
        same: the unit is the server that was judged.
        stopped: the unit has no process, and nobody listens where the server should be.
        why: why neither is shown; empty when one is.
    """

    same: bool = False
    stopped: bool = False
    why: str = ""


def compare(judged: Judged, looked: t.Mapping[str, t.Any]) -> Proof:
    """What the two looks show.

    Args:
        looked: the result of the module service_instances for the unit, its failure too.
    """
    instances = looked.get("instances") or []
    if len(instances) != 1:
        return Proof(why=f"the unit could not be looked at: {looked.get('msg') or 'nobody did'}")
    unit = instances[0]
    name, process = name_of(looked), int(unit.get("main_pid") or 0)
    if process and judged.listening and process == judged.process and judged.speaks is not False:
        return Proof(same=True)
    if judged.listening is False and not judged.answered and not process:
        why = _why_not_started(unit, name)
        return Proof(stopped=not why, why=why)
    return Proof(why=_why_another(judged, unit, name, process))


def answered(error: IncidentError) -> bool:
    """Whether the error of an attempt to connect leaves open that somebody answers there."""
    attempts = error.facts.get("attempts") or [error.facts]
    return any(one.get("error", error.kind) not in _NOBODY_ANSWERS for one in attempts)


def configured_elsewhere(proof: Proof, *, name: str, configured: t.Collection[int], wanted: t.Collection[int]) -> Proof:
    """The proof, unless a stopped unit's own configuration says that it is another server.

    Args:
        configured: the ports that it sets; empty when it sets none, or is not ours to read. Then nothing speaks against it.
        wanted: the ports of the server that was judged.
    """
    if not proof.stopped or not configured or not set(configured).isdisjoint(wanted):
        return proof
    theirs, ours = (", ".join(str(port) for port in sorted(ports)) for ports in (configured, wanted))
    return Proof(why=f"{name} is stopped and is another server: it is configured for port {theirs}, this one was looked at on {ours}")


def _why_not_started(unit: t.Mapping[str, t.Any], name: str) -> str:
    if unit.get("type") in _WITHOUT_PROCESS:
        return f"{name} has no process of its own (type {unit['type']}), so it does not show that the server is stopped{_members(unit)}"
    if unit.get("state") in _MOVING:
        return f"nobody listens, and systemd says that {name} is {unit['state']}: it is left to finish that"
    return ""


def _why_another(judged: Judged, unit: t.Mapping[str, t.Any], name: str, process: int) -> str:
    if judged.listening is None:
        theirs = judged.unclear or "the server is not on this host or cannot be seen there"
    elif not judged.listening:
        theirs = "nobody listens where it should be" + (", though somebody may answer there" if judged.answered else "")
    elif judged.speaks is False:
        theirs = f"process {judged.process} listens there, but another server answers, as behind a relay or a rule of the packet filter"
    else:
        theirs = f"the server's process is {judged.process or 'not ours to see (it takes root or the rights of its user)'}"
    more = ""
    if judged.unit and judged.unit != name:
        more = f"; that process belongs to {judged.unit}, so name that unit"
    elif unit.get("type") in _WITHOUT_PROCESS:
        more = _members(unit)
    ours = f"the unit's process is {process}" if process else "the unit has no process"
    return f"it is not shown that {name} is this server: {theirs}, {ours}{more}"


def _members(unit: t.Mapping[str, t.Any]) -> str:
    members = ", ".join(str(one) for one in unit.get("members") or ())
    return f"; it only groups {members}: name one of those" if members else ""


def not_skipped(looked: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[t.Mapping[str, t.Any]]:
    """The result of the module service_instances; None where its task was skipped, so that nobody looked."""
    return None if looked is None or looked.get("skipped") else looked


def essence(looked: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[dict[str, t.Any]]:
    """Of the result of the module service_instances what compare() and name_of() go by; None where nobody looked."""
    if looked is None:
        return None
    units = [{name: unit[name] for name in _OF_A_UNIT if unit.get(name)} for unit in looked.get("instances") or ()]
    return {"instances": units, **({"msg": str(looked["msg"])} if looked.get("msg") else {})}


def name_of(looked: t.Mapping[str, t.Any]) -> str:
    """The name of the unit, for people."""
    return str(next((unit.get("id") for unit in looked.get("instances") or ()), None) or "the unit")


def unit_of(cgroups: str) -> str:
    """The unit that a process belongs to, by the text of its /proc/PID/cgroup; empty when it tells none.

    The named hierarchy of cgroup v1 or the only one of v2 is systemd's, cgroups(7).
    """
    for line in cgroups.splitlines():
        number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if controllers == "name=systemd" or (number == "0" and not controllers):
            units = [part for part in path.split("/") if part.endswith(".service")]
            if units:
                return units[-1]
    return ""
