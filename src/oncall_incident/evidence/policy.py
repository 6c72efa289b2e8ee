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
from ansible_collections.oncall.incident.plugins.plugin_utils._files.schema import Options, fit

from ..errors import Stop

SCHEMA = "oncall.incident/policy/1"
POLICIES = Path(__file__).parent / "policies"
#: A target that is not a number of seconds: the end of the next working day.
NEXT_BUSINESS_DAY = "next business day"
TARGETS = ("response", "communication", "resolution", "review")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHANNEL_FIELDS = {"date", "day", "time", "clock", "severity", "id", "slug"}
_NEEDED: dict[str, Any] = {"required": True}
_TEXTS: dict[str, Any] = {"type": "list", "elements": "str"}
_STEP: Options = {"after": _NEEDED, "to": _NEEDED, "by": {}, "unless": {"choices": ("acknowledged", "mitigated", "resolved")}}
_LEVEL: Options = {
    "name": _NEEDED, "title": {}, "aliases": _TEXTS, "update_every": {}, **{name: {} for name in TARGETS},
    "escalation": {"type": "list", "elements": "dict", "options": _STEP},
}
_TOP: Options = {
    "schema": {}, "name": _NEEDED, "description": {}, "source": {}, "channel": {}, "default": {},
    "alerts": {"type": "dict", "elements": "str"},
    "business": {"type": "dict", "options": {"timezone": {}, "days": _TEXTS, "end": {}}},
    "levels": {"type": "list", "elements": "dict", "options": _LEVEL, **_NEEDED},
}

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

    if isinstance(data, Mapping) and data.get("schema", SCHEMA) != SCHEMA:
        raise BadInput(f"schema is {data['schema']!r}.", hint=f"This version reads {SCHEMA}.")
    top = fit(data, _TOP, where="the file", see="docs/evidence.md")
    levels = tuple(_level(item, f"levels[{number}]") for number, item in enumerate(top["levels"]))
    if not levels:
        raise BadInput("levels is empty.", hint="Name at least one severity, the most severe first.")
    names = [name for level in levels for name in (level.name.lower(), *level.aliases)]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"levels: {', '.join(double)} is there twice.", hint="Names and aliases must tell levels apart.")
    business, alerts = top.get("business", {}), top.get("alerts", {})
    default = top.get("default", levels[min(1, len(levels) - 1)].name)
    for where, name in [("default", default), *((f"alerts.{key}", value) for key, value in alerts.items())]:
        if name.lower() not in names:
            raise BadInput(f"{where}: there is no level {name!r}.", hint=f"There are {', '.join(level.name for level in levels)}.")
    channel = top.get("channel", "incident-{id}")
    if unknown := set(re.findall(r"\{([^}]*)\}", channel)) - _CHANNEL_FIELDS:
        raise BadInput(f"channel: {{{sorted(unknown)[0]}}} is not known.", hint=f"Known are {', '.join(sorted(_CHANNEL_FIELDS))}.")
    if channel.count("{") != channel.count("}"):
        raise BadInput("channel: a brace is not closed.", hint="Write {day}, {time}, {severity}.")
    timezone = business.get("timezone", "UTC")
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as exc:
        raise BadInput(f"business.timezone: {timezone!r} is not known here.", hint="Write a name such as Europe/Berlin or UTC.") from exc
    return Policy(
        name=top["name"], description=top.get("description", ""), source=top.get("source", ""), channel=channel,
        timezone=timezone, days=_days(business.get("days", _DAYS[:5])), end=_clock(business.get("end", "17:00")),
        default=default, alerts=alerts, levels=levels, data={"schema": SCHEMA, **top},
    )


def _level(item: Mapping[str, Any], where: str) -> Level:
    steps = tuple(_step(step, f"{where}.escalation[{number}]") for number, step in enumerate(item.get("escalation", ())))
    if [step.after for step in steps] != sorted(step.after for step in steps):
        raise BadInput(f"{where}.escalation: the steps are not in order.", hint="Put the earliest first.")
    every = item.get("update_every")
    return Level(
        name=item["name"], title=item.get("title", item["name"]),
        aliases=tuple(alias.lower() for alias in item.get("aliases", ())),
        **{name: _target(item.get(name), f"{where}.{name}") for name in TARGETS},
        update_every=None if every is None else _positive(every, f"{where}.update_every"), escalation=steps,
    )


def _step(item: Mapping[str, Any], where: str) -> Step:
    after = parse_duration(item["after"], name=f"{where}.after")
    return Step(after=after, to=item["to"], by=item.get("by", ""), unless=item.get("unless", "resolved"))


def _target(value: Any, where: str) -> Target:
    if value is None:
        return None
    return NEXT_BUSINESS_DAY if value == NEXT_BUSINESS_DAY else _positive(value, where)


def _positive(value: Any, where: str) -> float:
    seconds = parse_duration(value, name=where)
    if not seconds:
        raise BadInput(f"{where}: {value!r} is not a duration.", hint="Leave it out where there is no such target.")
    return seconds


def _days(value: Sequence[str]) -> tuple[int, ...]:
    names = [day.lower()[:3] for day in value]
    if not names or any(name not in _DAYS for name in names):
        raise BadInput(f"business.days: {value!r}.", hint=f"List working days: {', '.join(_DAYS)}.")
    return tuple(_DAYS.index(name) for name in names)


def _clock(value: str) -> datetime.time:
    try:
        return datetime.time.fromisoformat(value)
    except ValueError as exc:
        raise BadInput(f"business.end: {value!r} is not a time of day.", hint='Write it in quotes: "17:00".') from exc
