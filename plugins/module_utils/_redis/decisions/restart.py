# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on the restart of a Redis server: what it would lose, and whether the unit is this server.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._service.decisions import identity
from .safety import UNSEEN, RestartView, restart_cost, restart_obstacles
from .state import HINT_CONFIG

MODULE = "redis_restart_check"
CHECK = "restart_data_loss"
_HINT_LOSS = "Save first, or accept the loss with accept_data_loss."


@dataclasses.dataclass(frozen=True)
class OnDisk:
    """Files of data in the server's directory.

    Attributes:
        directory: of the server; empty when it is not known.
        files: name, size in bytes and time of the last change of each.
        problem: why they are not known; empty when they are.
    """

    directory: str = ""
    files: tuple[tuple[str, int, float], ...] = ()
    problem: str = ""

    @property
    def newest(self) -> str:
        """When a file of data was changed last, to stand behind a sentence; empty where there is none."""
        if not self.files:
            return ""
        name, size, changed = max(self.files, key=lambda one: one[2])
        return f"; {self.directory} has {name} ({size} bytes) of {_utc(changed)}"

    def describe(self) -> str:
        """For people."""
        if self.problem:
            return f"stopped; what is on its disk is not known: {self.problem}"
        if not self.files:
            return f"stopped; {self.directory} holds no data, so it starts empty, and a replica of it would copy that"
        files = ", ".join(f"{name} ({size} bytes, {_utc(changed)})" for name, size, changed in self.files)
        return f"stopped; {self.directory} holds {files}"

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        files = [{"name": name, "size": size, "changed": _utc(changed)} for name, size, changed in self.files]
        return {"directory": self.directory, "files": files, "problem": self.problem}


@dataclasses.dataclass(frozen=True)
class RestartSeen:
    """What one look saw.

    Attributes:
        view: of the server.
        host: the server, as its host sees it.
        refused: why the server said nothing; None where it answered.
        hidden: what hides whether its keys are a cache.
        service: the unit; None where only the loss is judged.
        port: of the server; None for a socket.
        configured: the ports that the unit's configuration sets.
        kept: what a server that is stopped, or does not answer, has on disk.
        memory: bytes that the process of a server which does not answer holds; None where it is not seen.
    """

    view: RestartView
    host: identity.Judged
    refused: t.Optional[Skipped] = None
    hidden: t.Optional[Skipped] = None
    service: t.Optional[t.Mapping[str, t.Any]] = None
    port: t.Optional[int] = None
    configured: tuple[int, ...] = ()
    kept: t.Optional[OnDisk] = None
    memory: t.Optional[int] = None

    @property
    def cost(self) -> str:
        """What a restart costs, as far as it is seen; empty for nothing, and for a server that is stopped."""
        if self.proof.stopped:
            return ""
        if self.view != UNSEEN:
            return restart_cost(self.view)
        held = f"its process holds {self.memory} bytes of memory, and" if self.memory else "it does not answer, so"
        return f"{held} how much of that is on disk cannot be seen{self.kept.newest if self.kept else ''}"

    @property
    def proof(self) -> identity.Proof:
        """Whether the unit is the server."""
        if self.service is None:
            return identity.Proof(same=True)
        proof = identity.compare(self.host, self.service)
        if self.port is None:
            return proof
        name = identity.name_of(self.service)
        return identity.configured_elsewhere(proof, name=name, configured=self.configured, wanted={self.port})


def decide(seen: RestartSeen, accept_data_loss: bool) -> Judged:
    """The verdict: what is seen to be in the way is critical; what cannot be seen counts as there, and is unknown."""
    view, proof = seen.view, seen.proof
    loss = [] if proof.stopped else restart_obstacles(view, accept_data_loss=accept_data_loss)
    known = [one.text for one in loss if one.seen] + ([proof.why] if proof.why else [])
    obstacles = [*(one.text for one in loss), *([proof.why] if proof.why else [])]
    blind = [seen.refused] if seen.refused else []
    if not loss:
        blind = []  # what is not seen is accepted, or a server that is stopped has nothing in memory
    elif view != UNSEEN and not all(one.seen for one in loss):
        blind = [Skipped(CHECK, "not_permitted: CONFIG GET save", HINT_CONFIG)] if view.saves is None else []
        blind += [seen.hidden] if seen.hidden else []
    kept = seen.kept
    hints = [*(item.hint for item in blind), _HINT_LOSS if loss else "", identity.HINT_IDENTITY if proof.why else ""]
    cost = seen.cost
    said = "; ".join(obstacles) or (kept.describe() if kept and proof.stopped else "nothing is in the way")
    finding = Finding(
        CHECK, CRITICAL if known else UNKNOWN if obstacles else OK,
        observed=f"{said}. It costs: {cost}" if cost else said, hint=" ".join(filter(None, hints)),
        detail={**({"cannot_see": blind[0].reason} if blind else {}), **({"cost": cost} if cost else {})},
    )
    return Judged(judge_look([finding], blind, asked=(CHECK,)), {
        "obstacles": obstacles, "seen": view.as_dict(), "listening": seen.host.listening, "process_id": seen.host.process,
        "stopped": proof.stopped, "on_disk": kept.as_dict() if kept else None, "cost": cost,
    }, Basis(MODULE, {"seen": seen, "accept_data_loss": accept_data_loss}))


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
