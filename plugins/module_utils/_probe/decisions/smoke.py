# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests as a test user, in their order: log in, then use what the answer gave.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, NOT_IN_CHECK_MODE, OK, UNKNOWN, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._core.shown import shown_url
from ..._core.suggest import suggest
from .answers import JSON, Answer, Heard
from .conditions import Absent, parse, value_at
from .requests import Request, Wanted, request_of, wanted_of
from .web import Asked, asked_from, failing

CHECK = "smoke"
CHECKS = (CHECK,)
_KEYS = (
    "name", "url", "connect_to", "method", "headers", "send", "status", "body", "body_regex", "json", "max_time", "validate_certs", "ca",
    "save",
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_FOR_REAL = "Run it without check mode: it logs in as a test user."


@dataclasses.dataclass(frozen=True)
class Step:
    """One request of the list.

    Attributes:
        name: how people call it.
        url: for people, without its query.
        entry: as it was written, with placeholders.
        save: what is kept of the answer: a name, and the field of the JSON body that it has.
    """

    name: str
    url: str
    entry: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    wanted: Wanted
    save: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def request(self, saved: t.Mapping[str, str]) -> Request:
        """The request, with what earlier steps have saved.

        Raises:
            BadInput: what was saved cannot be sent so.
        """
        url = _filled(self.entry.get("url"), {name: _encoded(value) for name, value in saved.items()})
        filled = {key: _filled(self.entry.get(key), saved) for key in ("headers", "send")}
        return request_of({**self.entry, **filled, "url": url}, place=self.name, sends=True)


def steps_of(entries: t.Sequence[t.Any]) -> list[Step]:
    """All of a call.

    Raises:
        BadInput: there is none, one is not usable, or it needs what only a later one saves.
    """
    if not entries:
        raise BadInput("steps is empty, so nothing would be asked.", hint="Name the requests of a test user.", argument="steps")
    found: list[Step] = []
    saved: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        step = _step(entry, number)
        step.request(saved)
        used = set(_PLACEHOLDER.findall(str([step.entry.get(key) for key in ("url", "headers", "send")])))
        late = used & {str(name) for later in entries[number - 1:] if isinstance(later, t.Mapping) for name in later.get("save") or ()}
        if late - set(saved):
            raise BadInput(
                f"steps, entry {number} ({step.name}): {{{min(late - set(saved))}}} is saved by no step before it.", argument="steps",
                hint="Put the step that saves it first.",
            )
        saved.update(dict.fromkeys(step.save, "x"))
        found.append(step)
    return found


def _step(entry: t.Any, number: int) -> Step:
    if not isinstance(entry, t.Mapping):
        raise BadInput(f"steps, entry {number}: this is not a mapping.", hint="Write - url: URL.", argument="steps")
    said = {key: value for key, value in entry.items() if value is not None}
    url = shown_url(str(said.get("url", "")))
    name = str(said.get("name") or f"{str(said.get('method') or 'GET').upper()} {url}")
    place = f"steps, entry {number} ({name})"
    for key in said:
        if key not in _KEYS:
            raise BadInput(f"{place}: there is no key {key}.", hint=f"{suggest(key, _KEYS)}There are {', '.join(_KEYS)}.", argument="steps")
    save = said.get("save") or {}
    if not isinstance(save, t.Mapping) or not all(
        _PLACEHOLDER.fullmatch(f"{{{one}}}") and isinstance(path, str) for one, path in save.items()
    ):
        raise BadInput(f"{place}: save is not a mapping of names to fields of the body.", hint="Write NAME: FIELD.", argument="save")
    return Step(name=name, url=url, entry=said, wanted=wanted_of(said, place=place), save=dict(save))


def saved_of(step: Step, heard: Heard) -> tuple[dict[str, str], str]:
    """What a step keeps of its answer, and why it cannot."""
    if not step.save:
        return {}, ""
    document, problem = parse(heard.body)
    found = {name: value_at(document, path) for name, path in step.save.items()}
    lacking = [path for name, path in step.save.items() if isinstance(found[name], (Absent, dict, list, bool)) or found[name] in (None, "")]
    if problem or lacking:
        return {}, problem or f"{lacking[0]} is not there"
    return {name: str(value) for name, value in found.items()}, ""


def not_saved(answer: Answer, problem: str) -> Answer:
    """The answer of a step that should have given something."""
    return dataclasses.replace(answer, stage=JSON, problem=f"{problem}, which the next steps need")


@dataclasses.dataclass(frozen=True)
class Went:
    """A step that was asked."""

    name: str
    url: str
    expected: tuple[int, ...]
    answer: Answer


def decide(went: t.Sequence[Went], *, steps: int, scope: str, for_real: bool, asked: t.Optional[t.Sequence[str]]) -> Judged:
    """The verdict on all steps.

    Args:
        went: those that were asked; the last one may have failed.
        steps: how many there are.
        scope: who asks.
        for_real: in check mode nobody logs in.
        asked: the checks that must be answered.
    """
    given = {"went": went, "steps": steps, "scope": scope, "for_real": for_real, "asked": asked}
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    if not for_real:
        skipped.append(Skipped(CHECK, f"{NOT_IN_CHECK_MODE} it sends nothing", _FOR_REAL))
    else:
        findings.append(_judge(went, steps, scope))
    return Judged(judge_look(findings, skipped, asked=asked), basis=Basis("http_smoke", given))


def _judge(went: t.Sequence[Went], steps: int, scope: str) -> Finding:
    told = [
        {"name": one.name, "url": one.url, "status": one.answer.status, "stage": one.answer.stage, "seconds": one.answer.seconds}
        for one in went
    ]
    detail = {"steps": told, "place": asked_from(scope)}
    last = went[-1]
    if not last.answer.stage:
        return Finding(CHECK, OK, observed=f"{len(went)} of {steps} steps", detail=detail)
    said = Asked(name=last.name, url=last.url, scope=scope, place=asked_from(scope), expected=last.expected, warn_time=0.0,
                 has_dependencies=False, answer=last.answer)
    sure, hint = failing(said)
    observed = f"step {len(went)} of {steps}: {last.answer.problem}"
    return Finding(CHECK, CRITICAL if sure else UNKNOWN, subject=last.name, observed=observed, detail=detail, hint=hint)


def _filled(value: t.Any, saved: t.Mapping[str, str]) -> t.Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: saved.get(found[1], found[0]), value)
    if isinstance(value, t.Mapping):
        return {name: _filled(one, saved) for name, one in value.items()}
    return [_filled(one, saved) for one in value] if isinstance(value, (list, tuple)) else value


def _encoded(value: str) -> str:
    return "".join(char if _UNRESERVED.match(char) else "".join(f"%{one:02X}" for one in char.encode()) for char in value)
