# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are run by anything else: what their inventory says how to do, and what their status command says.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ..._core.errors import BadInput, Blind
from .calls import RELOAD, RESTART, START, STOP
from .services import Service
from .where import read_where

STATUS = "status"
VERBS = (START, STOP, RESTART, RELOAD)
#: Exit statuses of a status command, Linux Standard Base, init scripts.
UP, DOWN = 0, 3
_SAYS_PID = re.compile(r"\bpid\b[ :=]*(\d+)", re.IGNORECASE)
#: Times, counters and numbers of processes differ between two looks at the same service.
_NUMBERS = re.compile(r"\d+")
_KEPT = 16


@dataclasses.dataclass(frozen=True)
class Ways:
    """How a service is started, stopped, looked at.

    Attributes:
        commands: by verb, and `status`; empty where there is none.
        pid_file: the file with the number of its main process; empty where there is none.
        process: the name of its program, where its main process is found by that; empty where it is not.
    """

    commands: t.Mapping[str, list[str]]
    pid_file: str
    process: str

    @classmethod
    def of(cls, service: Service) -> Ways:
        """Of a service.

        Raises:
            BadInput: its `where` is not usable.
        """
        where = read_where(service, texts=("pid_file", "process"), commands=(*VERBS, STATUS))
        if where.texts["pid_file"] and where.texts["process"]:
            raise BadInput(f"service {service.name}: where has pid_file and process.", hint="Give one of them.")
        return cls(commands=where.commands, pid_file=where.texts["pid_file"], process=where.texts["process"])


def is_up(status: t.Optional[int], *, service: str, said: str) -> bool:
    """Whether a service is up, by the exit status of its status command.

    Args:
        service: its name, for messages.
        said: what the command said, or why it did not end, for messages.

    Raises:
        Blind: the command does not say.
    """
    if status in (UP, DOWN):
        return status == UP
    how = "did not end" if status is None else f"ended with status {status}, which is neither {UP} (up) nor {DOWN} (down)"
    raise Blind(
        f"The status command of {service} {how}: {said or 'it said nothing'}",
        hint=f"Correct where.status of {service}, or wrap it so that it ends with {UP} or {DOWN}.",
    )


def pid_said(text: str) -> int:
    """The first process that a status text names, which is the service's own; 0 where it names none."""
    found = _SAYS_PID.search(text)
    return int(found.group(1)) if found else 0


def fingerprint(text: str) -> str:
    """What a status text says, without its numbers: it tells another state, and not that something was started again."""
    return hashlib.sha256(_NUMBERS.sub("", text).encode()).hexdigest()[:_KEPT]
