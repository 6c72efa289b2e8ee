# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the body of an answer must say, and what it says about dependencies.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, worst

#: How two values are compared, for people.
OPS = ("==", "!=", "<", "<=", ">", ">=", "in", "contains", "matches", "exists")
_ORDERED: t.Mapping[str, t.Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other, "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other, ">=": lambda one, other: one >= other,
}
#: Of a value of the body so much is shown.
MOST_SHOWN = 100
_HIDDEN = "********"
#: The words of health endpoints: Spring Boot's Status, the Internet-Draft draft-inadarei-api-health-check section 3.1, and usual ones.
_WORDS: t.Mapping[str, str] = {
    **dict.fromkeys(("ok", "okay", "up", "healthy", "pass", "passing", "connected", "available", "true", "green", "alive", "ready",
                     "running", "operational", "online", "good", "success"), OK),
    **dict.fromkeys(("degraded", "warn", "warning", "yellow", "slow", "partial", "impaired"), WARNING),
    **dict.fromkeys(("down", "error", "fail", "failed", "failing", "unhealthy", "critical", "disconnected", "unavailable", "unreachable",
                     "false", "red", "dead", "offline", "out_of_service", "outage", "timeout", "bad"), CRITICAL),
}
#: Where an object says how it is.
_STATED = ("status", "state", "health", "healthy", "ok")
#: Stands for every member of an object or a list.
EACH = "*"


class Absent:
    """No value is there."""


ABSENT_VALUE = Absent()


@dataclasses.dataclass(frozen=True)
class Condition:
    """What a value in a JSON body must be.

    Attributes:
        path: names of members and numbers of items with dots between them.
        op: one of OPS.
        value: what it is compared with.
    """

    path: str
    op: str = "=="
    value: t.Any = None

    @classmethod
    def of(cls, path: t.Any, wanted: t.Any, *, place: str) -> Condition:
        """A condition as people write it: a value, a list of values of which one must be there, or `op` and `value`.

        Raises:
            BadInput: it is none.
        """
        if not isinstance(path, str) or not path.strip():
            raise BadInput(f"{place}: json: a field has no name.", hint="Write the names of members with dots between them.")
        if isinstance(wanted, t.Mapping):
            op, value = wanted.get("op", "=="), wanted.get("value")
            if set(wanted) - {"op", "value"} or op not in OPS or ("value" not in wanted and op != "exists"):
                raise BadInput(f"{place}: json: {path} has no such condition.", hint=f"Give op, one of {', '.join(OPS)}, and value.")
        else:
            op, value = ("in" if isinstance(wanted, (list, tuple)) else "=="), wanted
        if op in _ORDERED and _number(value) is None:
            raise BadInput(f"{place}: json: {path}: {op} needs a number.", hint="Correct its value.")
        if op == "in" and not isinstance(value, (list, tuple)):
            raise BadInput(f"{place}: json: {path}: in needs a list.", hint="Correct its value.")
        if op == "matches":
            pattern(value, place=f"{place}: json: {path}")
        return cls(path.strip(), str(op), list(value) if isinstance(value, (list, tuple)) else value)

    def unmet(self, document: t.Any, *, secrets: t.Collection[str] = ()) -> str:
        """Why it does not hold, in one sentence; empty where it does."""
        found = value_at(document, self.path)
        if _holds(found, self.op, self.value):
            return ""
        if isinstance(found, Absent):
            return f"{self.path} is not there"
        wanted = "" if self.op == "exists" else f", not {'' if self.op == '==' else self.op + ' '}{shown(self.value)}"
        return f"{self.path} is {shown(found, secrets=secrets)}{wanted}"


@dataclasses.dataclass(frozen=True)
class Dependency:
    """What a body says about something that its application needs.

    Attributes:
        name: of the field.
        status: a status of findings.
        said: the words of the body.
    """

    name: str
    status: str
    said: str = ""


def pattern(text: t.Any, *, place: str) -> re.Pattern[str]:
    """A regular expression.

    Raises:
        BadInput: it is none.
    """
    try:
        return re.compile(str(text))
    except re.error as exc:
        raise BadInput(f"{place}: {text!r} is not a regular expression: {exc}.", hint="Correct it.") from None


def parse(body: bytes) -> tuple[t.Any, str]:
    """The JSON of a body, and why it has none."""
    try:
        return json.loads(body.decode("utf-8-sig")), ""
    except (ValueError, RecursionError):
        return None, "the body is not JSON" if body.strip() else "the body is empty"


def value_at(document: t.Any, path: str) -> t.Any:
    """The value of a path; ABSENT_VALUE where there is none. A member whose whole name has dots is found too."""
    if isinstance(document, t.Mapping) and path in document:
        return document[path]
    for name in path.split("."):
        if isinstance(document, t.Mapping) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return ABSENT_VALUE
    return document


def dependencies(paths: t.Sequence[str], document: t.Any, *, secrets: t.Collection[str] = ()) -> list[Dependency]:
    """What a body says of each dependency; of one that it does not mention nothing is known."""
    found: list[Dependency] = []
    for path in paths:
        if path == EACH or path.endswith(f".{EACH}"):
            above = path[:-len(EACH)].rstrip(".")
            group = value_at(document, above) if above else document
            members = list(group.items()) if isinstance(group, t.Mapping) else list(enumerate(group)) if isinstance(group, list) else []
            found += [_dependency(f"{above}.{name}".lstrip("."), value, secrets) for name, value in members]
            if not members:
                found.append(Dependency(path, UNKNOWN, "nothing is there"))
        else:
            found.append(_dependency(path, value_at(document, path), secrets))
    return found


def _dependency(name: str, value: t.Any, secrets: t.Collection[str]) -> Dependency:
    if isinstance(value, Absent):
        return Dependency(name, UNKNOWN, "it is not there")
    if isinstance(value, list):
        inner = [_dependency(name, one, secrets) for one in value]
        status = worst(one.status for one in inner)
        return Dependency(name, status, next((one.said for one in inner if one.status == status), "an empty list"))
    if isinstance(value, t.Mapping):
        stated = next((key for key in _STATED if key in value), "")
        return _dependency(name, value[stated], secrets) if stated else Dependency(name, UNKNOWN, "it has no status")
    return Dependency(name, _WORDS.get(str(value).strip().lower().replace(" ", "_"), UNKNOWN), shown(value, secrets=secrets))


def shown(value: t.Any, *, secrets: t.Collection[str] = ()) -> str:
    """A value for people, short and without secrets."""
    text = hide(value if isinstance(value, str) else json.dumps(value), secrets)
    text = " ".join(text.split())
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def hide(text: str, secrets: t.Collection[str]) -> str:
    """A text without secrets. A short one is hidden where it is the whole text, since it is part of every other."""
    for secret in sorted(secrets, key=len, reverse=True):
        if text.strip('"') == secret:
            return _HIDDEN
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, _HIDDEN)
    return text


#: A secret of fewer characters is not looked for inside a text.
_SHORTEST = 4


def _holds(found: t.Any, op: str, wanted: t.Any) -> bool:
    if op == "exists":
        return isinstance(found, Absent) is (wanted is False)
    if isinstance(found, Absent):
        return False
    if op in ("==", "!="):
        return _same(found, wanted) is (op == "==")
    if op == "in":
        return any(_same(found, one) for one in wanted)
    if op == "contains":
        return any(_same(one, wanted) for one in found) if isinstance(found, list) else str(wanted) in str(found)
    if op == "matches":
        return re.search(str(wanted), _text(found)) is not None
    one, other = _number(found), _number(wanted)
    return one is not None and other is not None and _ORDERED[op](one, other)


def _same(found: t.Any, wanted: t.Any) -> bool:
    """Whether they are equal, where a command line may have made a text of what is meant."""
    if isinstance(found, str) is isinstance(wanted, str):
        return isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)
    return not isinstance(found, (list, dict)) and not isinstance(wanted, (list, dict)) and _text(found) == _text(wanted)


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: t.Any) -> t.Optional[float]:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
