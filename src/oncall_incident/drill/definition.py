# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill is, as data: faults, what must be seen, what may be done, and the times to beat."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest
from ansible_collections.oncall.incident.plugins.plugin_utils._files.schema import Options, fit

from ..errors import Stop

#: Times to beat unless a drill says otherwise: to detect, to the last action, to measured recovery.
DEFAULT_TARGETS = {"detect": "1m", "mitigate": "5m", "recover": "15m"}
#: What may go wrong in the middle of a recovery.
INTERRUPTS = ("controller", "host")

_SEE = "docs/drills.md"
_NEEDED: dict[str, Any] = {"required": True}
_TEXTS: dict[str, Any] = {"type": "list", "elements": "str"}
_FAULT: Options = {"fault": _NEEDED, "hosts": _NEEDED, "user": {}, "params": {"type": "dict"}}
_ACTION: Options = {"verb": _NEEDED, "target": {"type": "dict"}, "host": {}}
_PROBE: Options = {"name": _NEEDED, "hosts": _NEEDED, "command": _NEEDED, "says": {}, "before": {}}
_ROUND: Options = {
    "name": _NEEDED, "faults": {"type": "list", "elements": "dict", "options": _FAULT, **_NEEDED}, "findings": {**_TEXTS, **_NEEDED},
    "actions": {"type": "list", "elements": "dict", "options": _ACTION, **_NEEDED}, "at_least": {"type": "int"},
    "interrupt": {"choices": INTERRUPTS}, "interrupt_at": {}, "extra_vars": _TEXTS, "again": {"type": "bool"}, "in_vain": _TEXTS,
    "afterwards": {"type": "list", "elements": "dict", "options": _PROBE},
}
_LOOK: Options = {"command": _NEEDED, "hosts": {**_TEXTS, "single": True}, "unanswered_in": _TEXTS}
_DRILL: Options = {
    "description": _NEEDED, "scenario": _NEEDED, "severity": {}, "steady": _TEXTS,
    "targets": {"type": "dict", "options": {name: {} for name in DEFAULT_TARGETS}},
    "rounds": {"type": "list", "elements": "dict", "options": _ROUND, **_NEEDED},
    "state": {"type": "dict", "options": {"paths": {"type": "raw"}, "units": {"type": "raw"}, "commands": {"type": "list"}}},
}

Json = Mapping[str, Any]


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
        return _drill(path)
    except (OSError, UnicodeError, yaml.YAMLError) as exc:
        raise Stop(f"{path}: cannot be read: {exc}") from exc
    except BadInput as exc:
        raise Stop(f"{path}: is not a drill: {exc.message}", hint=exc.hint or f"See {_SEE} for what a drill says.") from exc


def _drill(path: Path) -> Drill:
    given, elsewhere = _read(path), list[str]()
    if isinstance(given, Mapping) and (name := given.get("like")) is not None:
        other = _read(path.with_name(f"{name}.yml"))
        if isinstance(other, Mapping) and "like" in other:
            raise BadInput(f"like: {name} is itself like another drill; name that one.")
        other = fit(other, _DRILL, where=f"{name}.yml", see=_SEE)
        elsewhere = [part["name"] for part in other["rounds"]]
        given = {**other, **{key: value for key, value in given.items() if key != "like"}}
    data = fit(given, _DRILL, where="the drill", see=_SEE)
    rounds = [_round(part, f"rounds[{number}]") for number, part in enumerate(data["rounds"])]
    if not rounds:
        raise BadInput("rounds is empty.")
    state = dict(data.get("state", {}))
    # A look that this drill shares may be unanswered in a round of the other.
    known = [*(part.name for part in rounds), *elsewhere]
    looks = [_look(look, known, f"state.commands[{number}]") for number, look in enumerate(state.pop("commands", ()))]
    targets = {**DEFAULT_TARGETS, **data.get("targets", {})}
    return Drill(
        name=path.stem, description=" ".join(data["description"].split()), scenario=data["scenario"], rounds=rounds,
        state=state, looks=looks, severity=data.get("severity", ""), steady=data.get("steady", ()),
        targets={key: parse_duration(value, name=f"targets.{key}") for key, value in targets.items()},
    )


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _look(given: Any, rounds: Sequence[str], where: str) -> Look:
    if isinstance(given, str):
        return Look(given)
    data = fit(given, _LOOK, where=where, path=where, see=_SEE)
    unanswered = data.get("unanswered_in", ())
    if missing := sorted(set(unanswered) - set(rounds)):
        raise BadInput(f"{where}.unanswered_in: there is no round {', '.join(missing)}.")
    return Look(data["command"], hosts=tuple(data.get("hosts", ())), unanswered_in=tuple(unanswered))


def probes(part: Round, when: str) -> list[dict[str, str]]:
    """The round's probes as the role's entry point `probe` takes them.

    Args:
        when: `before` the faults are there, those that say what they must print then; or with the key `says`, all, afterwards.
    """
    found = []
    for entry in part.afterwards:
        wanted, command = entry.get(when), entry["command"]
        if wanted is None and when == "before":
            continue
        if wanted is not None:
            heard = f"said=$( ( {command} ) 2>&1 | tr -s '[:space:]' ' ' | sed 's/^ //; s/ $//' )"
            command = f"{heard}; [ \"$said\" = \"{wanted}\" ] || {{ echo \"it said: $said\"; exit 1; }}"
        found.append({"name": entry["name"], "hosts": entry["hosts"], "command": command})
    return found


def _round(data: Json, where: str) -> Round:
    interrupt, interrupt_at = data.get("interrupt", ""), data.get("interrupt_at", "")
    if interrupt_at and interrupt != "controller":
        raise BadInput(f"{where}: interrupt_at wants interrupt: controller.")
    for number, probe in enumerate(data.get("afterwards", ())):
        if re.search(r"[\"`$\\]", f"{probe.get('says', '')}{probe.get('before', '')}"):
            raise BadInput(f"{where}.afterwards[{number}]: {probe['name']}: what it has to print is plain words.")
    return Round(
        name=data["name"], faults=data["faults"], findings=data.get("findings", ()),
        actions=[_expected(entry) for entry in data["actions"]], at_least=data.get("at_least", 1), interrupt=interrupt,
        interrupt_at=interrupt_at, extra_vars=data.get("extra_vars", ()), again=data.get("again", True), in_vain=data.get("in_vain", ()),
        afterwards=data.get("afterwards", ()),
    )


def _expected(data: Json) -> Expected:
    target = {key: str(value) for key, value in data.get("target", {}).items()}
    return Expected(verb=data["verb"], target=target, host=data.get("host", "*"))
