# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an application answer as it should, and how far did a request come where it does not?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import ranges
from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._core.shown import shown_url
from ..._core.suggest import suggest
from .answers import BODY, DNS, JSON, NO_ANSWER, NO_WAY, REFUSED, STATUS, TIMEOUT, TLS, WEBSOCKET, Answer, Heard, weigh
from .requests import CONTROLLER, HOST, Request, Wanted, request_of, wanted_of

CHECK, LATENCY, DEPENDENCY = "application", "latency", "dependency"
CHECKS = (CHECK, LATENCY, DEPENDENCY)
#: A slow answer is told, and no reason to act.
DEFAULT = (CHECK, DEPENDENCY)
#: The application itself has said it.
_SAID = (STATUS, WEBSOCKET, BODY, JSON)
#: From the application's own host these are no matter of the way.
_ITS_OWN = (REFUSED, TIMEOUT, NO_ANSWER)
ABSENT = {"no_dependencies": "no probe names dependencies"}
_KEYS = (
    "name", "url", "connect_to", "method", "headers", "status", "body", "body_regex", "json", "max_time", "warn_time", "validate_certs",
    "ca", "scope", "websocket", "dependencies",
)


@dataclasses.dataclass(frozen=True)
class Probe:
    """One request and what is wanted of its answer.

    Attributes:
        name: how people and findings call it.
        url: for people, without its query.
        scope: who asks: `host` for the application's own host, `controller`, or a container's name.
        warn_time: an answer that takes longer is a warning, seconds.
        dependencies: fields of the body that say how something else is.
    """

    name: str
    url: str
    request: Request = dataclasses.field(repr=False)
    wanted: Wanted
    scope: str = HOST
    warn_time: float = 2.0
    dependencies: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: t.Any, *, number: int) -> Probe:
        """One entry of `probes`.

        Args:
            number: which one, from 1, for messages.

        Raises:
            BadInput: names the entry and the key.
        """
        if isinstance(entry, str):
            entry = {"url": entry}
        if not isinstance(entry, t.Mapping):
            raise BadInput(f"probes, entry {number}: this is not a mapping.", hint="Write - url: URL.", argument="probes")
        said = {key: value for key, value in entry.items() if value is not None}
        url = shown_url(str(said.get("url", "")))
        name = str(said.get("name") or url)
        place = f"probes, entry {number} ({name})"
        for key in said:
            if key not in _KEYS:
                raise BadInput(
                    f"{place}: there is no key {key}.", hint=f"{suggest(key, _KEYS)}There are {', '.join(_KEYS)}.", argument="probes",
                )
        paths = said.get("dependencies") or ()
        if not isinstance(paths, (list, tuple)) or not all(isinstance(one, str) and one for one in paths):
            raise BadInput(f"{place}: dependencies is not a list of fields.", hint="Name fields of the body.", argument="dependencies")
        return cls(
            name=name, url=url, request=request_of(said, place=place), wanted=wanted_of(said, place=place),
            scope=str(said.get("scope") or HOST), dependencies=tuple(paths),
            warn_time=ranges.ARGUMENTS["warn_time"].read(said.get("warn_time", "2s"), name=f"{place}: warn_time"),
        )

    def weigh(self, heard: Heard) -> Answer:
        """What an answer comes to."""
        return weigh(heard, request=self.request, wanted=self.wanted, paths=self.dependencies)

    @property
    def asked_from(self) -> str:
        """Who asks, for people."""
        return asked_from(self.scope)


def asked_from(scope: str) -> str:
    """Who asks, for people."""
    return {HOST: "from the host itself", CONTROLLER: "from the controller"}.get(scope, f"from inside container {scope}")


def probes_of(entries: t.Sequence[t.Any]) -> list[Probe]:
    """All of a call.

    Raises:
        BadInput: nothing is asked, a probe is not usable, or a name is there twice.
    """
    if not entries:
        raise BadInput("probes is empty, so nothing would be asked.", hint="Name the application's health URLs.", argument="probes")
    found = [Probe.of(entry, number=number) for number, entry in enumerate(entries, 1)]
    named = [one for one in found if one.name != one.url]
    names = [one.name for one in named]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"probes: the name {name} is there twice.", hint="Give each probe a name of its own.", argument="probes")
    seen: dict[str, int] = {}
    for number, one in enumerate(found):
        # URLs that differ in their queries alone, which are not shown.
        seen[one.name] = seen.get(one.name, 0) + 1
        if seen[one.name] > 1:
            found[number] = dataclasses.replace(one, name=f"{one.name} ({seen[one.name]})")
    return found


@dataclasses.dataclass(frozen=True)
class Asked:
    """A probe without what is secret of it, and its answer: what is judged.

    Attributes:
        expected: the status codes that are good.
        has_dependencies: it names some.
    """

    name: str
    url: str
    scope: str
    place: str
    expected: tuple[int, ...]
    warn_time: float
    has_dependencies: bool
    answer: Answer

    @classmethod
    def by(cls, probe: Probe, answer: Answer) -> Asked:
        """Of this probe."""
        return cls(
            name=probe.name, url=probe.url, scope=probe.scope, place=probe.asked_from, expected=probe.request.status,
            warn_time=probe.warn_time, has_dependencies=bool(probe.dependencies), answer=answer,
        )


def decide(probes: t.Sequence[Asked], *, asked: t.Optional[t.Sequence[str]]) -> Judged:
    """The verdict on an application.

    Args:
        asked: the checks that must be answered.
    """
    findings = [judge(one) for one in probes]
    slow = [judge_latency(one) for one in probes if one.answer.status is not None]
    skipped = [] if slow else [Skipped(LATENCY, "no_answer: there was no answer to measure", hint=next(one.hint for one in findings))]
    if any(one.has_dependencies for one in probes):
        slow += [found for one in probes if one.has_dependencies for found in judge_dependencies(one)]
    else:
        skipped.append(Skipped(DEPENDENCY, f"no_dependencies: {ABSENT['no_dependencies']}.", kind=NOT_APPLICABLE))
    return Judged(judge_look([*findings, *slow], skipped, asked=asked), basis=Basis("http_health", {"probes": probes, "asked": asked}))


def judge(one: Asked) -> Finding:
    """Another answer than the wanted one is a failure. None at all says nothing where it may be the way from who asks."""
    answer = one.answer
    detail: dict[str, t.Any] = {
        "url": one.url, "stage": answer.stage, "seconds": answer.seconds, "expected": list(one.expected), "place": one.place,
        **({"address": answer.address} if answer.address else {}),
        **({"redirects": list(answer.redirects)} if answer.redirects else {}),
    }
    if not answer.stage:
        return Finding(CHECK, OK, observed=answer.status, subject=one.name, detail=detail)
    observed = answer.status if answer.stage == STATUS else f"{answer.stage}: {answer.problem}"
    sure, hint = failing(one)
    return Finding(CHECK, CRITICAL if sure else UNKNOWN, observed=observed, subject=one.name, detail=detail, hint=hint)


def failing(one: Asked) -> tuple[bool, str]:
    """Whether it is sure that what was asked fails, and what to do about it."""
    answer = one.answer
    url = one.name if one.url in one.name else f"{one.name} ({one.url})"
    if _is_sure(one):
        return True, _failing(url, one)
    if answer.status is not None:
        return False, f"{url}: {answer.problem}. Ask for something shorter."
    return False, f"{url} gave no answer {one.place}: {answer.problem}. {_ADVICE.get(answer.stage, _LOOK_THERE)}"


def _is_sure(one: Asked) -> bool:
    answer = one.answer
    if answer.unclear:
        return False
    if answer.stage in _SAID or answer.status is not None or answer.sure:
        return True
    return one.scope != CONTROLLER and answer.own and answer.stage in _ITS_OWN


_LOOK_THERE = "Check whether the application runs, and ask from where it can be reached."
_ADVICE = {
    NO_WAY: "Run it as a user who may, or ask from the host.",
    DNS: "Correct the name or the resolver, or give connect_to.",
    TLS: "Give the CA that signed it as ca where it is not one of the system's, and look at it with cert_expiry.",
}


def _failing(url: str, one: Asked) -> str:
    answer = one.answer
    if answer.stage == STATUS:
        return f"{url} answered {answer.status}. Look at the application's own log: what it lacks may be something else."
    said = f"{url}: {answer.problem}."
    if answer.stage in (BODY, JSON, WEBSOCKET):
        return f"{said} Look at the application's own log: what it lacks may be something else."
    if answer.stage == TLS:
        return f"{said} Look at it with cert_expiry."
    if answer.stage == REFUSED:
        return f"{said} Nobody listens there: start the application."
    return f"{said} It takes connections and does not answer: look at the application's own log and load."


def judge_latency(one: Asked) -> Finding:
    """An answer that takes long."""
    seconds = one.answer.seconds
    slow = seconds >= one.warn_time
    return Finding(
        LATENCY, WARNING if slow else OK, observed=seconds, threshold=one.warn_time, unit="seconds", subject=one.name,
        detail={"url": one.url, "place": one.place},
        hint=f"{one.name} took {seconds:g} s {one.place}. Look at the load of its host and of its database." if slow else "",
    )


def judge_dependencies(one: Asked) -> list[Finding]:
    """What the application says about what it needs; nothing is known of it where there is no body."""
    if not one.answer.dependencies:
        return [Finding(DEPENDENCY, UNKNOWN, subject=one.name, observed=one.answer.problem or "nothing", hint=(
            f"{one.name} did not say how its dependencies are: {one.answer.problem or 'its body names none'}. Ask them themselves."
        ))]
    return [Finding(
        DEPENDENCY, said.status, observed=said.said, subject=f"{one.name}: {said.name}", detail={"url": one.url, "place": one.place},
        hint="" if said.status == OK else
        f"{one.name} says of {said.name}: {said.said}. Look at {said.name} itself before the application is restarted."
        if said.status != UNKNOWN else f"{one.name} does not say clearly how {said.name} is: {said.said}. Ask it itself.",
    ) for said in one.answer.dependencies]


def http_probes(
    entries: t.Sequence[t.Any], *, scope: str = "", status: t.Optional[t.Sequence[int]] = None, max_time: t.Any = None,
    validate_certs: t.Optional[bool] = None, only: str = "",
) -> list[dict[str, t.Any]]:
    """Entries of `probes`, with these values where an entry has none; a text is a URL. Equal ones are there once.

    Args:
        scope: who asks.
        only: of this scope alone; of `host` are those of containers too, since the host asks from inside them.
    """
    usual = {"scope": scope or None, "status": status, "max_time": max_time, "validate_certs": validate_certs}
    given = {key: value for key, value in usual.items() if value is not None}
    found: list[dict[str, t.Any]] = []
    for entry in entries:
        made = {**given, **({"url": str(entry).strip()} if isinstance(entry, str) else dict(entry))}
        asked_by_controller = made.get("scope", HOST) == CONTROLLER
        if made not in found and (not only or asked_by_controller is (only == CONTROLLER)):
            found.append(made)
    return found
