# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at maintenance: at the file that says whose it is, and at what users, operators and a balancer are answered.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import time
import typing as t

from .._core.errors import BadInput
from .._core.judging import Judged
from .._core.waiting import until
from .._probe.decisions.answers import STATUS
from .._probe.decisions.requests import HOST
from .._probe.decisions.web import Probe, probes_of
from .._probe.web import ask_all
from . import switching
from .decisions.state import BYPASS, HEALTH, PUBLIC, UNAVAILABLE, Heard, decide

#: How often is asked, seconds.
_POLL = 0.5

#: The options that hold probes, and what each of them asks.
KINDS = {"public": PUBLIC, "health": HEALTH, "bypass": BYPASS}


def read_probes(given: t.Mapping[str, t.Sequence[t.Any]]) -> list[tuple[str, Probe]]:
    """The probes, each with what it asks.

    Args:
        given: entries by option.

    Raises:
        BadInput: one cannot be used, or what users see would not be asked.
    """
    if not given.get("public"):
        raise BadInput("public is empty, so nobody would see what users see.", hint="Name a URL that users ask.", argument="public")
    kinds = [kind for option, kind in KINDS.items() for _entry in given.get(option) or ()]
    probes = probes_of([entry for option in KINDS for entry in given.get(option) or ()])
    for one in probes:
        if one.scope != HOST:
            raise BadInput(f"{one.name}: scope {one.scope} is not asked here.", hint="Leave scope out.", argument="scope")
    return list(zip(kinds, probes))


def still_on(probes: t.Sequence[Probe], *, seconds: float) -> list[str]:
    """Of what users ask, what is in maintenance still when the time is over; what gives no answer is not known to be out of it."""
    def seen() -> list[str]:
        answers = ask_all(probes, timeout=seconds)
        return [one.name for one, said in zip(probes, answers) if said.status is None or (said.status == UNAVAILABLE and said.retry_after)]

    return until(lambda left: not left, seen, seconds=seconds, interval=_POLL)


def look(
    path: str, probes: t.Sequence[tuple[str, Probe]], *, wanted: str, api: bool, timeout: float, asked: t.Optional[t.Sequence[str]],
) -> Judged:
    """Look, and judge; see decide()."""
    note = switching.look(path)
    answers = ask_all([probe for _kind, probe in probes], timeout=timeout)
    heard = [
        Heard(
            kind, probe.name, expected=probe.request.status, status=answer.status, retry_after=answer.retry_after,
            problem="" if answer.stage == STATUS else answer.problem,
        )
        for (kind, probe), answer in zip(probes, answers)
    ]
    return decide(note, heard, wanted=wanted, api=api, now=time.time(), asked=asked)
