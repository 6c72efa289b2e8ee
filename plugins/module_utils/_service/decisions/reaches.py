# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service must reach from inside, with its own credentials, and whether it does.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import hosts, ranges
from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, OK, UNKNOWN, Finding
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._core.suggest import suggest
from ..._core.words import command_words

CHECK = "reaches"
CHECKS = (CHECK,)
_KEYS = ("name", "command", "port", "rc", "text", "max_time")
#: How a shell and container engines say that a program is not there, or may not be run.
_NOT_RUN = (126, 127)


@dataclasses.dataclass(frozen=True)
class Reach:
    """One thing that a service must reach.

    Attributes:
        name: for people.
        command: the words of a command that asks it; empty where a port is tried.
        port: host and port to connect to; None where a command is run.
        rc: the exit status that is good.
        text: what the command must print.
        max_time: seconds.
    """

    name: str
    command: tuple[str, ...] = ()
    port: t.Optional[tuple[str, int]] = None
    rc: int = 0
    text: str = ""
    max_time: float = 10.0

    @classmethod
    def of(cls, entry: t.Any, *, service: str, number: int) -> Reach:
        """One entry of a service's `reaches`.

        Raises:
            BadInput: names the service, the entry and the key.
        """
        place = f"services ({service}): reaches, entry {number}"
        if not isinstance(entry, t.Mapping):
            raise BadInput(f"{place}: this is not a mapping.", hint="Write - name: NAME, with command or port below.", argument="services")
        said = {key: value for key, value in entry.items() if value is not None}
        for key in said:
            if key not in _KEYS:
                raise BadInput(f"{place}: there is no key {key}.", hint=f"{suggest(key, _KEYS)}There are {', '.join(_KEYS)}.")
        command = said.get("command", ())
        if not isinstance(command, (str, list, tuple)) or bool(command) is ("port" in said):
            raise BadInput(f"{place}: it has not one of command and port.", hint="Give the words of a command, or HOST:PORT.")
        name = str(said.get("name") or said.get("port") or "")
        if not name:
            raise BadInput(f"{place}: it has no name.", hint="Give it a name.")
        rc = said.get("rc", 0)
        if isinstance(rc, bool) or not isinstance(rc, int) or not 0 <= rc <= 255:
            raise BadInput(f"{place}: rc is not a whole number of 0 to 255.", hint="Give the exit status that is good.")
        max_time = ranges.ARGUMENTS["max_time"].read(said.get("max_time", "10s"), name=f"{place}: max_time")
        return cls(
            name=name, command=tuple(str(word) for word in command_words(command)), port=_port(said.get("port"), place), rc=rc,
            text=str(said.get("text", "")), max_time=max_time,
        )


def _port(value: t.Any, place: str) -> t.Optional[tuple[str, int]]:
    if value is None:
        return None
    more = hosts.more_than_host(value)
    if more is None or more[0]:
        raise BadInput(f"{place}: port is not HOST:PORT.", hint="Give it as HOST:PORT, such as db.example.org:5432.")
    return hosts.read_host(more[1], name=f"{place}: port"), int(ranges.PORT.read(more[2], name=f"{place}: port"))


@dataclasses.dataclass(frozen=True)
class Tried:
    """What came of one try, from inside one instance.

    Attributes:
        service, name: of whom what was tried; instance: from inside which, for people.
        rc: the exit status that is good; status: the one that it was, None where there was none.
        lacks: the text that the command did not print; empty where it did.
        problem: why it was not reached; blind: why it could not be tried.
        line: the first line that it said, redacted.
        place: as whom and by which way.
    """

    service: str
    name: str
    instance: str = ""
    rc: int = 0
    status: t.Optional[int] = None
    lacks: str = ""
    problem: str = ""
    blind: str = ""
    line: str = ""
    seconds: float = 0.0
    place: str = ""


def decide(tried: t.Sequence[Tried], *, asked: t.Optional[t.Sequence[str]]) -> Judged:
    """The verdict on what services reach.

    Args:
        asked: the checks that must be answered.
    """
    return Judged(judge_look([_judge(one) for one in tried], asked=asked), basis=Basis("service_reach", {"tried": tried, "asked": asked}))


def _judge(one: Tried) -> Finding:
    subject = f"{one.service}: {one.name}"
    detail = {
        key: value for key, value in (
            ("instance", one.instance), ("place", one.place), ("rc", one.status), ("line", one.line), ("seconds", one.seconds),
        ) if value not in ("", None)
    }
    blind = one.blind
    if one.status in _NOT_RUN and one.rc != one.status:
        blind = f"the command cannot be run there (status {one.status})"
    if blind:
        return Finding(CHECK, UNKNOWN, subject=subject, observed=blind, detail=detail, hint=(
            f"Whether {one.service} reaches {one.name} is not known: {blind}. Correct the entry, or try it by hand from inside."
        ))
    problem = one.problem
    if not problem and one.status is not None and one.status != one.rc:
        problem = f"status {one.status}, not {one.rc}"
    if not problem and one.lacks:
        problem = f"it does not say {one.lacks!r:.60}"
    if not problem:
        return Finding(CHECK, OK, subject=subject, observed="reached", detail=detail)
    said = f"{problem}: {one.line}" if one.line else problem
    where = f" from inside {one.instance}" if one.instance else ""
    return Finding(CHECK, CRITICAL, subject=subject, observed=said, detail=detail, hint=(
        f"{one.service} does not reach {one.name}{where}: {said}. Look at {one.name} and the way to it before {one.service} is restarted."
    ))
