# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scenario needs, as the head of its playbook says: read, and told for whom it is missing.

A line is `# needs: KIND NAME [>= VERSION] (PLACE[, if VARIABLE=VALUE|VALUE]): HOW TO INSTALL IT`.

- KIND is collection, library (of Python) or program; PLACE is controller or host.
- NAME in braces is a variable whose first word is the program's name: `{postgres_kubectl_command}`.
- VARIABLE with a dot is a key of a list's entries: `services.runtime=kubernetes`. An entry that names a command of its own in `where`
  needs that one instead.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

COLLECTION, LIBRARY, PROGRAM = "collection", "library", "program"
CONTROLLER, HOST = "controller", "host"
_LINE = re.compile(r"(?m)^#\s*needs:[ \t]*(.*?)[ \t]*$")
_NEED = re.compile(
    r"(?P<kind>collection|library|program) (?P<name>\{\w+\}|[\w./-]+)(?: >= (?P<least>\d+(?:\.\d+)*))?"
    r" \((?P<place>controller|host)(?:, if (?P<variable>\w+(?:\.\w+)?)=(?P<values>[\w|-]+))?\): (?P<install>.+)"
)


@dataclasses.dataclass(frozen=True)
class Need:
    """One line.

    Attributes:
        least: the lowest version that will do; empty for any.
        place: CONTROLLER, or HOST for the hosts of the scenario.
        variable, values: it is needed where the variable has one of these; always without.
        install: the line that installs it, or where that is told.
    """

    kind: str
    name: str
    place: str
    install: str
    least: str = ""
    variable: str = ""
    values: tuple[str, ...] = ()

    def holds(self, given: t.Callable[[str], t.Any]) -> bool:
        """Whether a host needs it.

        Args:
            given: the value of one of the host's variables, its default where it has none.
        """
        if not self.variable:
            return True
        name, _sign, key = self.variable.partition(".")
        value = given(name)
        entries = value if isinstance(value, (list, tuple)) else ()
        found = [entry.get(key) for entry in entries if isinstance(entry, t.Mapping) and not _own_command(entry)] if key else [value]
        return any(str(one) in self.values for one in found)

    def called(self, given: t.Callable[[str], t.Any]) -> str:
        """Its name, where a variable says it that one's first word; empty where it is not known."""
        if not self.name.startswith("{"):
            return self.name
        value = given(self.name.strip("{}"))
        words = value.split() if isinstance(value, str) else [str(word) for word in value] if isinstance(value, (list, tuple)) else []
        return words[0] if words else ""

    def as_dict(self) -> dict[str, t.Any]:
        """For people and scripts that list scenarios."""
        return {**dataclasses.asdict(self), "values": list(self.values)}

    def __str__(self) -> str:
        name = self.name.strip("{}").removesuffix("_command").rpartition("_")[2] if self.name.startswith("{") else self.name
        return name + (f" >= {self.least}" if self.least else "")


def _own_command(entry: t.Mapping[str, t.Any]) -> bool:
    where = entry.get("where")
    return isinstance(where, t.Mapping) and bool(where.get("command"))


def lines(text: str) -> list[str]:
    """What the head of a playbook says, not yet understood."""
    return [str(line) for line in _LINE.findall(text)]


def read(text: str) -> list[Need]:
    """The needs of a playbook. A line that is not understood is left out: a contract test finds it in ours."""
    found = [_NEED.fullmatch(line) for line in lines(text)]
    return [
        Need(one["kind"], one["name"], one["place"], one["install"], least=one["least"] or "", variable=one["variable"] or "",
             values=tuple(re.findall(r"[\w-]+", one["values"] or "")))
        for one in found if one
    ]


def too_old(there: str, least: str) -> bool:
    """Whether a version is below the lowest that will do. What has no number is taken as new enough."""
    numbers = [tuple(int(part) for part in re.findall(r"\d+", version)[:4]) for version in (there, least)]
    return bool(numbers[0]) and numbers[0] < numbers[1]


def say(need: Need, *, name: str, hosts: t.Sequence[str], there: str = "") -> str:
    """That it is missing, or too old, who needs it and what installs it.

    Args:
        name: what it is called here.
        there: the version that is there.
    """
    least = f" {need.least} or newer" if need.least else ""
    some = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
    state = f"is {there} here" if there else "is missing here"
    why = f", with {need.variable}={'|'.join(need.values)}" if need.variable else ""
    return f"The {need.kind} {name}{least} {state}, on the controller (needed for {some}{why}). To install it: {need.install}"
