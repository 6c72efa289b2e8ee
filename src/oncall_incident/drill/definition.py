# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill is, as data: faults, what must be seen, what may be done, and the times to beat."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest

from ..errors import Stop

#: Times to beat unless a drill says otherwise: to detect, to the last action, to measured recovery.
DEFAULT_TARGETS = {"detect": "1m", "mitigate": "5m", "recover": "15m"}
#: What may go wrong in the middle of a recovery.
INTERRUPTS = ("controller", "host")

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the playbook may plan: the verb, and patterns (as of a shell) for the target's values.

    A planned action that matches none is one too many, and nothing is carried out.
    """

    verb: str
    target: Mapping[str, str]
    host: str = "*"


@dataclasses.dataclass(frozen=True)
class Look:
    """A command that says what a host is like. One that fails or prints nothing cannot be compared, and fails the drill.

    Attributes:
        command: of the shell; it only reads.
        hosts: groups or hosts where it is asked; none for everywhere.
        unanswered_in: the rounds whose fault may leave it without an answer, such as one that takes every connection.
    """

    command: str
    hosts: Sequence[str] = ()
    unanswered_in: Sequence[str] = ()

    def asked(self, part: str) -> str:
        """The command as the role's entry point `state` takes it, in a round."""
        command = self.command
        if part in self.unanswered_in:
            command = f"said=$( ( {command} ) 2>/dev/null ) && [ -n \"$said\" ] && echo \"$said\" || echo 'no answer, as may be here'"
        here = " or ".join(f"{json.dumps(name)} in group_names + [inventory_hostname]" for name in self.hosts)
        return f"{{% if {here} %}}{command}{{% else %}}:{{% endif %}}" if here else command


@dataclasses.dataclass(frozen=True)
class Round:
    """One fault and its recovery.

    Attributes:
        faults: for role drill: fault, hosts, user, params.
        findings: checks of which at least one must be seen not ok before anything is done.
        actions: what may be planned.
        at_least: how many actions must be planned.
        interrupt: what goes wrong in the middle of the recovery; empty for nothing.
        interrupt_at: the module whose start is that middle when the controller is killed; empty for the first that may act. A task that
            will be skipped begins like any other.
        extra_vars: variables of this round alone.
        again: whether a second run must find nothing to do.
        in_vain: variables of a run before the recovery that must not be called one; empty for no such run.
        afterwards: what must be true after the recovery, while the faults are there still: name, hosts, command; says, what the command
            has to print; and before, what it has to print before the faults are there, so that one that cannot say anything else is seen.
    """

    name: str
    faults: Sequence[Json]
    findings: Sequence[str]
    actions: Sequence[Expected]
    at_least: int = 1
    interrupt: str = ""
    interrupt_at: str = ""
    extra_vars: Sequence[str] = ()
    again: bool = True
    in_vain: Sequence[str] = ()
    afterwards: Sequence[Json] = ()


@dataclasses.dataclass(frozen=True)
class Drill:
    """A drill.

    Attributes:
        scenario: the scenario that recovers.
        targets: seconds by time: detect, mitigate, recover.
        severity: level of the severity policy that such an incident has; empty for the policy's default.
        steady: further checks that must be ok before the drill and after each round, beside those the rounds are about.
        state: variables of role drill's entry point `state`: what must not differ after --check; without its commands.
        looks: those.
    """

    name: str
    description: str
    scenario: str
    targets: Mapping[str, float]
    rounds: Sequence[Round]
    state: Json
    steady: Sequence[str] = ()
    severity: str = ""
    looks: Sequence[Look] = ()


def directory(collection: Path) -> Path:
    """Where the collection keeps its drills."""
    return collection / "roles" / "drill" / "files" / "drills"


def listed(collection: Path) -> list[Drill]:
    """The collection's drills by name."""
    return [load(path) for path in sorted(directory(collection).glob("*.yml"))]


def locate(name: str, *, collection: Path, cwd: Path) -> Path:
    """The file of the drill of that name, or the file at that path.

    Raises:
        Stop: there is none.
    """
    path = cwd / Path(name).expanduser()
    if path.suffix in (".yml", ".yaml"):
        if path.is_file():
            return path
        raise Stop(f"{name}: there is no such file.", hint=f"Looked for {path}.")
    known = {found.stem: found for found in directory(collection).glob("*.yml")}
    wanted = name.replace("_", "-")
    if wanted not in known:
        meant = suggest(wanted, known, likeness=0.5)
        raise Stop(f"{name}: there is no such drill.", hint=f"{meant}The drills are: {', '.join(sorted(known)) or 'none'}.")
    return known[wanted]


def load(path: Path) -> Drill:
    """Read a drill's file.

    Raises:
        Stop: it is none; the message names the key.
    """
    try:
        return _drill(path.stem, _data(path))
    except (OSError, UnicodeError, yaml.YAMLError) as exc:
        raise Stop(f"{path}: cannot be read: {exc}") from exc
    except KeyError as exc:
        raise Stop(f"{path}: {exc.args[0]} is missing.", hint="See the drills of role drill for what a drill says.") from exc
    except (TypeError, AttributeError, ValueError, BadInput) as exc:
        raise Stop(f"{path}: is not a drill: {exc}", hint="See the drills of role drill for what a drill says.") from exc


def _data(path: Path) -> dict[str, Any]:
    """What a drill's file says, and of what it does not say what the drill beside it says that it is `like`."""
    data = _mapping(path)
    if (name := data.pop("like", None)) is None:
        return data
    other = _mapping(path.with_name(f"{name}.yml"))
    if "like" in other:
        raise ValueError(f"like: {name} is itself like another drill; name that one")
    return {**other, **data, "elsewhere": [part["name"] for part in other["rounds"]]}


def _mapping(path: Path) -> dict[str, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, Mapping):
        raise TypeError(f"{path.name} is not a mapping of keys")
    return dict(data)


@contextlib.contextmanager
def _within(where: str) -> Iterator[None]:
    """What is wrong in there says where."""
    try:
        yield
    except KeyError as exc:
        raise ValueError(f"{where}: {exc.args[0]} is missing") from exc
    except (TypeError, AttributeError, ValueError) as exc:
        raise ValueError(f"{where}: {exc}") from exc


def _list(data: Json, key: str) -> list[Any]:
    """What is there as a list; a text would be taken for its letters.

    Raises:
        KeyError: it is missing.
    """
    if not isinstance(data[key], list):
        raise TypeError(f"{key} is not a list")
    return list(data[key])


def _each(data: Json, key: str, make: Callable[[Any], T]) -> list[T]:
    found = []
    for number, entry in enumerate(_list(data, key)):
        with _within(f"{key}[{number}]"):
            found.append(make(entry))
    return found


def _drill(name: str, data: Json) -> Drill:
    _only(data, "the drill", {"description", "scenario", "targets", "rounds", "severity", "state", "steady", "elsewhere"})
    targets = {**DEFAULT_TARGETS, **data.get("targets", {})}
    _only(targets, "targets", set(DEFAULT_TARGETS))
    rounds = _each(data, "rounds", _round)
    if not rounds:
        raise ValueError("rounds is empty")
    state = dict(data.get("state", {}))
    _only(state, "state", {"paths", "units", "commands"})
    # A look that this drill shares may be unanswered in a round of the other.
    known = [*(part.name for part in rounds), *data.get("elsewhere", ())]
    looks = [_look(entry, known) for entry in state.pop("commands", ())]
    return Drill(
        name=name, description=" ".join(str(data["description"]).split()), scenario=str(data["scenario"]), rounds=rounds,
        state=state, looks=looks, severity=str(data.get("severity", "")),
        steady=[str(check) for check in data.get("steady", ())],
        targets={key: parse_duration(value, name=f"targets.{key}") for key, value in targets.items()},
    )


def _look(data: Any, rounds: Sequence[str]) -> Look:
    if isinstance(data, str):
        return Look(data)
    _only(data, "a command of the state", {field.name for field in dataclasses.fields(Look)})
    missing = sorted(set(data.get("unanswered_in", ())) - set(rounds))
    if missing:
        raise ValueError(f"unanswered_in: there is no round {', '.join(missing)}")
    hosts = data.get("hosts", ())
    return Look(
        str(data["command"]), hosts=(hosts,) if isinstance(hosts, str) else tuple(map(str, hosts)),
        unanswered_in=tuple(data.get("unanswered_in", ())),
    )


def probes(part: Round, when: str) -> list[dict[str, str]]:
    """The round's probes as the role's entry point `probe` takes them.

    Args:
        when: `before` the faults are there, those that say what they must print then; or with the key `says`, all, afterwards.
    """
    found = []
    for entry in part.afterwards:
        wanted, command = entry.get(when), str(entry["command"])
        if wanted is None and when == "before":
            continue
        if wanted is not None:
            heard = f"said=$( ( {command} ) 2>&1 | tr -s '[:space:]' ' ' | sed 's/^ //; s/ $//' )"
            command = f"{heard}; [ \"$said\" = \"{wanted}\" ] || {{ echo \"it said: $said\"; exit 1; }}"
        found.append({"name": str(entry["name"]), "hosts": str(entry["hosts"]), "command": command})
    return found


def _round(data: Json) -> Round:
    _only(data, "a round", {field.name for field in dataclasses.fields(Round)})
    interrupt = str(data.get("interrupt", ""))
    if interrupt and interrupt not in INTERRUPTS:
        raise ValueError(f"interrupt: {interrupt} is none of {', '.join(INTERRUPTS)}")
    interrupt_at = str(data.get("interrupt_at", ""))
    if interrupt_at and interrupt != "controller":
        raise ValueError("interrupt_at wants interrupt: controller")
    faults = _each(data, "faults", _fault)
    afterwards = _each(data, "afterwards", _probe) if "afterwards" in data else []
    return Round(
        name=str(data["name"]), faults=faults, findings=[str(check) for check in _list(data, "findings")],
        actions=_each(data, "actions", _expected),
        at_least=int(data.get("at_least", 1)), interrupt=interrupt, interrupt_at=interrupt_at,
        extra_vars=[str(value) for value in data.get("extra_vars", ())],
        again=bool(data.get("again", True)), in_vain=[str(value) for value in data.get("in_vain", ())],
        afterwards=afterwards,
    )


def _fault(data: Json) -> Json:
    _only(data, "a fault", {"fault", "hosts", "user", "params"})
    _ = data["fault"], data["hosts"]
    return dict(data)


def _probe(data: Json) -> Json:
    _only(data, "what must be true afterwards", {"name", "hosts", "command", "says", "before"})
    _ = data["name"], data["hosts"], data["command"]
    if re.search(r"[\"`$\\]", f"{data.get('says', '')}{data.get('before', '')}"):
        raise ValueError(f"{data['name']}: what it has to print is plain words")
    return dict(data)


def _expected(data: Json) -> Expected:
    _only(data, "an action", {"verb", "target", "host"})
    target = {key: str(value) for key, value in data.get("target", {}).items()}
    return Expected(verb=str(data["verb"]), target=target, host=str(data.get("host", "*")))


def _only(data: Json, what: str, known: set[str]) -> None:
    if not isinstance(data, Mapping):
        raise TypeError(f"{what} is not a mapping of keys")
    unknown = sorted(set(data) - known)
    if unknown:
        meant = suggest(unknown[0], known).rstrip()
        raise ValueError(f"{what} has unknown keys: {', '.join(unknown)}{meant and f'. {meant}'}")
