# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Severity policies: YAML data, checked against a schema written down here and in docs/evidence.md."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest

from ..errors import Stop

SCHEMA = "oncall.incident/policy/1"
POLICIES = Path(__file__).parent / "policies"
#: A target that is no number of seconds: the end of the next working day.
NEXT_BUSINESS_DAY = "next business day"
TARGETS = ("response", "communication", "resolution", "review")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHANNEL_FIELDS = {"date", "day", "time", "clock", "severity", "id", "slug"}
_TOP = {"schema", "name", "description", "source", "channel", "business", "alerts", "default", "levels"}
_LEVEL = {"name", "title", "aliases", "update_every", "escalation", *TARGETS}
_STEP = {"after", "to", "by", "unless"}

Target = float | str | None


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of an escalation: `after` seconds to whom, by which means, unless this milestone was reached."""

    after: float
    to: str
    by: str
    unless: str


@dataclasses.dataclass(frozen=True)
class Level:
    """A severity. Targets are seconds since the incident's beginning, NEXT_BUSINESS_DAY, or None where the guide has none.

    Attributes:
        response: until somebody acknowledged; resolution: until resolved; communication: until the first word to those
            affected; review: until the post-mortem, since resolved.
        update_every: seconds between updates while it is not resolved.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    response: Target
    communication: Target
    resolution: Target
    review: Target
    update_every: float | None
    escalation: tuple[Step, ...]


@dataclasses.dataclass(frozen=True)
class Policy:
    """The severities of one organisation, most severe first."""

    name: str
    description: str
    source: str
    channel: str
    timezone: str
    days: tuple[int, ...]
    end: datetime.time
    default: str
    alerts: Mapping[str, str]
    levels: tuple[Level, ...]
    data: Mapping[str, Any]

    def level(self, name: str) -> Level | None:
        """The level of that name, in any case, or of that alias."""
        wanted = name.strip().lower()
        return next((level for level in self.levels if wanted in (level.name.lower(), *level.aliases)), None)

    def require(self, name: str) -> Level:
        """The same.

        Raises:
            Stop: there is none.
        """
        found = self.level(name)
        if found is None:
            known = [level.name for level in self.levels]
            hint = f"{suggest(name, known)}It has {', '.join(known)}."
            raise Stop(f"--severity {name}: policy {self.name} has no such level.", hint=hint)
        return found

    def due(self, target: Target, *, since: datetime.datetime) -> datetime.datetime | None:
        """When a target is over."""
        if target is None:
            return None
        if not isinstance(target, str):
            return since + datetime.timedelta(seconds=target)
        from zoneinfo import ZoneInfo

        day = since.astimezone(ZoneInfo(self.timezone))
        while True:
            day += datetime.timedelta(days=1)
            if day.weekday() in self.days:
                return datetime.datetime.combine(day.date(), self.end, tzinfo=day.tzinfo).astimezone(datetime.UTC)

    def channel_name(self, *, incident: str, severity: str, title: str, at: datetime.datetime) -> str:
        """The name of the incident's channel, by the policy's pattern."""
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")
        return self.channel.format(
            date=at.strftime("%Y-%m-%d"), day=at.strftime("%Y%m%d"), time=at.strftime("%H%M%S"), clock=at.strftime("%H%M"),
            severity=severity.lower().replace(" ", "-"), id=incident.lower(), slug=slug or "incident",
        )


def load(name: str) -> Policy:
    """A policy by its name, or from a file.

    Raises:
        Stop: there is none, or it does not fit the schema; the message says where.
    """
    import yaml

    known = sorted(path.stem for path in POLICIES.glob("*.yml"))
    path = POLICIES / f"{name}.yml" if name in known else Path(name).expanduser()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise Stop(f"Policy {name}: {exc.strerror}.", hint=f"Give a file, or one of {', '.join(known)}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise Stop(f"Policy {path} is not YAML.", hint=str(exc).replace("\n", " ")) from exc
    return parse(data, source=str(path))


def parse(data: Any, *, source: str) -> Policy:
    """A policy from its data.

    Raises:
        Stop: it does not fit the schema.
    """
    try:
        return _policy(data)
    except BadInput as exc:
        raise Stop(f"Policy {source}: {exc.message}", hint=exc.hint or "") from exc


@functools.lru_cache(maxsize=64)
def parse_recorded(text: str) -> Policy:
    """The policy as an `opened` event carries it, as JSON; many incidents share one."""
    return parse(json.loads(text), source="in the incident's record")


def _policy(data: Any) -> Policy:
    from zoneinfo import ZoneInfo

    top = _mapping(data, "the file", _TOP, required=("name", "levels"))
    if top.get("schema", SCHEMA) != SCHEMA:
        raise BadInput(f"schema is {top['schema']!r}.", hint=f"This version reads {SCHEMA}.")
    levels = tuple(_level(item, f"levels[{number}]") for number, item in enumerate(_list(top["levels"], "levels")))
    if not levels:
        raise BadInput("levels is empty.", hint="Name at least one severity, the most severe first.")
    names = [name for level in levels for name in (level.name.lower(), *level.aliases)]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"levels: {', '.join(double)} is there twice.", hint="Names and aliases must tell levels apart.")
    business = _mapping(top.get("business") or {}, "business", {"timezone", "days", "end"})
    alerts = {str(key): str(value) for key, value in _mapping(top.get("alerts") or {}, "alerts", None).items()}
    default = str(top.get("default") or levels[min(1, len(levels) - 1)].name)
    for where, name in [("default", default), *((f"alerts.{key}", value) for key, value in alerts.items())]:
        if name.lower() not in names:
            raise BadInput(f"{where}: there is no level {name!r}.", hint=f"There are {', '.join(level.name for level in levels)}.")
    channel = str(top.get("channel") or "incident-{id}")
    if unknown := set(re.findall(r"\{([^}]*)\}", channel)) - _CHANNEL_FIELDS:
        raise BadInput(f"channel: {{{sorted(unknown)[0]}}} is not known.", hint=f"Known are {', '.join(sorted(_CHANNEL_FIELDS))}.")
    if channel.count("{") != channel.count("}"):
        raise BadInput("channel: a brace is not closed.", hint="Write {day}, {time}, {severity}.")
    timezone = str(business.get("timezone", "UTC"))
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as exc:
        raise BadInput(f"business.timezone: {timezone!r} is not known here.", hint="Write a name such as Europe/Berlin or UTC.") from exc
    return Policy(
        name=str(top["name"]), description=str(top.get("description", "")), source=str(top.get("source", "")), channel=channel,
        timezone=timezone, days=_days(business.get("days", list(_DAYS[:5]))), end=_clock(business.get("end", "17:00")),
        default=default, alerts=alerts, levels=levels, data={"schema": SCHEMA, **top},
    )


def _level(data: Any, where: str) -> Level:
    item = _mapping(data, where, _LEVEL, required=("name",))
    steps = tuple(_step(step, f"{where}.escalation[{number}]") for number, step in enumerate(_list(item.get("escalation") or [], where)))
    if [step.after for step in steps] != sorted(step.after for step in steps):
        raise BadInput(f"{where}.escalation: the steps are not in order.", hint="Put the earliest first.")
    every = item.get("update_every")
    return Level(
        name=str(item["name"]), title=str(item.get("title", item["name"])),
        aliases=tuple(str(alias).lower() for alias in _list(item.get("aliases") or [], f"{where}.aliases")),
        **{name: _target(item.get(name), f"{where}.{name}") for name in TARGETS},
        update_every=None if every is None else _positive(every, f"{where}.update_every"), escalation=steps,
    )


def _step(data: Any, where: str) -> Step:
    item = _mapping(data, where, _STEP, required=("after", "to"))
    unless = str(item.get("unless", "resolved"))
    if unless not in ("acknowledged", "mitigated", "resolved"):
        raise BadInput(f"{where}.unless: {unless!r}.", hint="It is acknowledged, mitigated or resolved.")
    return Step(after=parse_duration(item["after"], name=f"{where}.after"), to=str(item["to"]), by=str(item.get("by", "")), unless=unless)


def _target(value: Any, where: str) -> Target:
    if value is None:
        return None
    return NEXT_BUSINESS_DAY if value == NEXT_BUSINESS_DAY else _positive(value, where)


def _positive(value: Any, where: str) -> float:
    seconds = parse_duration(value, name=where)
    if not seconds:
        raise BadInput(f"{where}: {value!r} is no time at all.", hint="Leave it out where there is no such target.")
    return seconds


def _mapping(value: Any, where: str, known: set[str] | None, *, required: Sequence[str] = ()) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where} is not a mapping.", hint="See docs/evidence.md for a policy's form.")
    if known is not None and (unknown := sorted(str(key) for key in value if key not in known)):
        meant = suggest(unknown[0], sorted(known))
        raise BadInput(f"{where}: {unknown[0]!r} is not known.", hint=f"{meant}Known are {', '.join(sorted(known))}.")
    if missing := [key for key in required if value.get(key) in (None, "")]:
        raise BadInput(f"{where}: {missing[0]} is missing.", hint="See docs/evidence.md for a policy's form.")
    return {str(key): item for key, item in value.items()}


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"{where} is not a list.", hint="See docs/evidence.md for a policy's form.")
    return value


def _days(value: Any) -> tuple[int, ...]:
    names = [str(day).lower()[:3] for day in _list(value, "business.days")]
    if not names or any(name not in _DAYS for name in names):
        raise BadInput(f"business.days: {value!r}.", hint=f"List working days: {', '.join(_DAYS)}.")
    return tuple(_DAYS.index(name) for name in names)


def _clock(value: Any) -> datetime.time:
    try:
        return datetime.time.fromisoformat(str(value))
    except ValueError as exc:
        raise BadInput(f"business.end: {value!r} is not a time of day.", hint='Write it in quotes: "17:00".') from exc
