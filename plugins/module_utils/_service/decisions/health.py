# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge services by two looks at what runs of them.

This module util is PRIVATE to the collection: it may change at any time.

One look misleads: what dies after each start runs in between. So an instance is compared with itself, by its identity, some time apart.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._core.thresholds import NUMBER, Thresholds
from .instance import Instance
from .seen import DaemonSeen, Past, ServiceSeen, Terms
from .telling import became_all, look_at_log, named

#: Of each service, whatever runs it.
OF_A_SERVICE = ("present", "running", "restarts", "oom", "health", "ready", "age", "drift")
#: Of what runs the services.
DAEMON = "daemon"
#: Of one runtime alone, which answers them by its facts: see Runtime.
OF_A_RUNTIME: tuple[str, ...] = ("rollout", "endpoints", "ingress", "nodes", "room")
CHECKS = (DAEMON, *OF_A_SERVICE, *OF_A_RUNTIME)
#: What is asked where a call names none.
DECISIVE = (DAEMON, *OF_A_SERVICE)
THRESHOLDS: Thresholds = {"restarts": (NUMBER, "1", "3")}
#: A restart by the runtime itself counts for so long, seconds: engines wait up to a minute between two starts of what goes on dying.
RECENT = 120.0
#: Why a check does not apply.
ABSENT = {
    "nothing_runs": "no instance of it runs",
    "no_health_check": "it has no health check in its runtime",
    "no_readiness": "its runtime does not say whether it takes work",
    "no_memory_told": "its runtime does not tell who was ended for lack of memory",
    "not_counted": "no control group of its own counts its memory on this host",
    "no_image": "its runtime does not say from what its instances were made",
    "one_instance": "there is one instance, which differs from none",
    "has_an_end": "it is a job with an end",
}


def judge_services(
    services: t.Sequence[ServiceSeen], daemons: t.Sequence[DaemonSeen], terms: Terms, asked: t.Optional[t.Sequence[str]],
) -> Judged:
    """The verdict on services that were looked at together.

    Args:
        asked: the checks that must be answered.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for daemon in daemons:
        _take(_daemon(daemon), findings, skipped)
    mute = {daemon.name for daemon in daemons if daemon.down or daemon.trouble}
    for seen in services:
        if seen.trouble and seen.engine in mute:
            # The same of all its services: the engine of verdicts says it once of each check.
            skipped += [Skipped(check, f"unreadable: {seen.name}: {seen.trouble}", seen.hint) for check in OF_A_SERVICE]
            continue
        if seen.trouble:
            findings.append(Finding(OF_A_SERVICE[0], UNKNOWN, subject=seen.name, hint=f"{seen.trouble} {seen.hint}".strip()))
            findings += [Finding(check, UNKNOWN, subject=seen.name, hint="It could not be looked at.") for check in OF_A_SERVICE[1:]]
            continue
        for judge_one in (_present, _running, _restarts, _oom, _health, _ready, _age, _drift):
            _take(judge_one(seen, terms), findings, skipped)
        findings += seen.findings
        skipped += seen.skipped
    return Judged(judge_look(findings, skipped, asked=asked), {
        "instances": [{"service": seen.name, **one.as_dict()} for seen in services for one in seen.instances],
    }, Basis("service_health", {"services": services, "daemons": daemons, "terms": terms, "asked": asked}))


def _take(told: t.Union[Finding, Skipped], findings: list[Finding], skipped: list[Skipped]) -> None:
    if isinstance(told, Finding):
        findings.append(told)
    else:
        skipped.append(told)


def _absent(check: str, why: str, seen: ServiceSeen) -> Skipped:
    return Skipped(check, f"{why}: {seen.name}: {ABSENT[why]}.", kind=NOT_APPLICABLE)


def _daemon(daemon: DaemonSeen) -> t.Union[Finding, Skipped]:
    if daemon.down:
        return Finding(DAEMON, CRITICAL, observed=False, subject=daemon.name, hint=f"{daemon.trouble} {daemon.hint}".strip())
    if daemon.trouble:
        return Skipped(DAEMON, f"unreadable: {daemon.name}: {daemon.trouble}", daemon.hint)
    return Finding(DAEMON, OK, observed=True, subject=daemon.name)


def _wanted(seen: ServiceSeen) -> int:
    return seen.desired if seen.desired is not None else max(len(seen.instances), 1)


def _present(seen: ServiceSeen, _terms: Terms) -> Finding:
    found, wanted = len(seen.instances), _wanted(seen)
    status = OK if found or not wanted else CRITICAL
    hint = "" if status == OK else f"{seen.engine} has nothing of it: it was removed, or never made. Start the service."
    return Finding("present", status, observed=found, threshold=min(wanted, 1), unit="count", hint=hint, subject=seen.name)


def _running(seen: ServiceSeen, _terms: Terms) -> Finding:
    ended = [one for one in seen.instances if not one.runs]
    if _has_end(seen) and ended:
        return _ended(seen, ended)
    grouped = [one for one in seen.running if one.type == "oneshot" and one.members]
    if grouped:
        return Finding("running", UNKNOWN, subject=seen.name, hint=(
            f"{grouped[0].name} only groups {', '.join(grouped[0].members)}, and says nothing of them: name one of those."))
    count, wanted = len(seen.running), _wanted(seen)
    status = OK if count >= wanted else WARNING if count else CRITICAL
    hint = ""
    if status != OK:
        missing = max(wanted - len(seen.instances), 0)
        gone = f"{missing} of {wanted} {'is' if missing == 1 else 'are'} not there. " if missing and seen.instances else ""
        told = f"{became_all(ended, at=seen.at)}. {look_at_log(ended[0], engine=seen.engine)} " if ended else ""
        own = "Where its work has an end, say one_shot: true. " if ended and all(_ended_well(one) for one in ended) else ""
        hint = f"{told}{gone}{own}".strip() or "Nothing of it runs. Start the service."
    return Finding("running", status, observed=count, threshold=wanted, unit="count", hint=hint, subject=seen.name)


def _ended_well(one: Instance) -> bool:
    return one.exit_code == 0 and one.ended_at is not None and one.state != "created"


def _has_end(seen: ServiceSeen) -> bool:
    return seen.one_shot or (bool(seen.instances) and all(one.type == "oneshot" for one in seen.instances))


def _ended(seen: ServiceSeen, ended: t.Sequence[Instance]) -> Finding:
    """How a job ended. One that never began has no end to judge by."""
    failed = [one for one in ended if one.exit_code or one.oom or one.state in ("failed", "dead")]
    never = [one for one in ended if one.exit_code is None or one.started_at is None]
    observed = max((one.exit_code or 0 for one in ended), default=0)
    if failed:
        hint = f"{became_all(failed, at=seen.at)}. {look_at_log(failed[0], engine=seen.engine)}"
        return Finding("running", CRITICAL, observed=observed, threshold=0, unit="exit status", hint=hint, subject=seen.name)
    if never:
        return Finding("running", UNKNOWN, subject=seen.name, hint=f"{named(never)} has not run yet, so how it ends is not known.")
    return Finding("running", OK, observed=observed, threshold=0, unit="exit status", subject=seen.name)


def _restarts(seen: ServiceSeen, terms: Terms) -> t.Union[Finding, Skipped]:
    if _has_end(seen):
        return _absent("restarts", "has_an_end", seen)
    if seen.past is None:
        return Skipped("restarts", f"looked_once: {seen.name}: it takes two looks.", "Give window at least some seconds.")
    counted = {one.id: _again(one, seen.past.get(one.id), at=seen.at, terms=terms) for one in seen.instances}
    count = sum(counted.values())
    loops = [one for one in seen.instances if one.restarting or (
        counted[one.id] and terms.restarts.critical is not None and (one.restarts or 0) >= terms.restarts.critical
        and _between(one, seen.past.get(one.id)))]
    status, threshold = OK, terms.restarts.warning
    if loops or (terms.restarts.critical is not None and count >= terms.restarts.critical):
        status, threshold = CRITICAL, terms.restarts.critical
    elif terms.restarts.warning is not None and count >= terms.restarts.warning:
        status = WARNING
    hint = ""
    if status != OK:
        first = (loops or [one for one in seen.instances if counted[one.id]])[0]
        total = f", {first.restarts} times in all" if first.restarts else ""
        went = "goes on dying and being started again" if loops else "was started again by its runtime"
        hint = f"{first.name} {went}{total}{f' ({first.reason})' if first.reason else ''}. {look_at_log(first, engine=seen.engine)}"
    return Finding("restarts", status, observed=count, threshold=threshold, unit="count", hint=hint, subject=seen.name, detail={
        "window": terms.window, "total": {one.name: one.restarts for one in seen.instances},
    })


def _between(one: Instance, past: t.Optional[Past]) -> int:
    """How often it was started again between the two looks."""
    if past is None or past.identity == one.identity:
        return 0
    known = past.restarts is not None and one.restarts is not None
    return max((one.restarts or 0) - (past.restarts or 0), 1) if known else 1


def _again(one: Instance, past: t.Optional[Past], *, at: float, terms: Terms) -> int:
    """How often it was started again recently: what its runtime did just before the first look counts too."""
    found = _between(one, past)
    since = terms.since if terms.since is not None else at - RECENT
    late = bool(one.restarts) and one.started_at is not None and one.started_at >= since
    return found or int(late) or int(one.restarting)


def _oom(seen: ServiceSeen, _terms: Terms) -> t.Union[Finding, Skipped]:
    told = [one for one in seen.instances if one.oom is not None or one.oom_kills is not None]
    if not told:
        return _absent("oom", "no_memory_told" if seen.instances else "nothing_runs", seen)
    lost = [one for one in told if one.oom_kills or (one.oom and not one.runs)]
    if lost:
        said = "; ".join(
            f"{one.name} lost {one.oom_kills} {'process' if one.oom_kills == 1 else 'processes'} since its start" if one.runs
            else f"{one.name} was ended" for one in lost[:3])
        return Finding(
            "oom", CRITICAL, observed=sum(max(one.oom_kills or 0, 1) for one in lost), threshold=1, unit="count", subject=seen.name,
            hint=f"For lack of memory {said}. Raise its limit, or find what grows; a restart only gains time.",
        )
    before = [one for one in told if one.oom and one.restarts]
    if before:
        hint = f"{named(before)} was ended for lack of memory before its present start, and its runtime started it again."
        return Finding("oom", WARNING, observed=len(before), threshold=1, unit="count", hint=hint, subject=seen.name)
    blind = [one for one in told if one.runs and one.oom_kills is None and one.main_pid]
    if blind and all(one.runtime == "systemd" for one in blind):
        return _absent("oom", "not_counted", seen)
    if blind:
        return Skipped("oom", (
            f"unreadable: {seen.name}: of {named(blind)} only the main process is told of, and not whether a child was killed."),
            "Look on the machine that it runs on; the counters are in its control group.")
    return Finding("oom", OK, observed=0, threshold=1, unit="count", subject=seen.name)


def _health(seen: ServiceSeen, _terms: Terms) -> t.Union[Finding, Skipped]:
    checked = [one for one in seen.running if one.health]
    if not checked:
        return _absent("health", "no_health_check" if seen.running else "nothing_runs", seen)
    healthy = [one for one in checked if one.health == "healthy"]
    sick = [one for one in checked if one.health not in ("healthy", "starting")]
    slow = [one for one in checked if one.health == "starting" and _is_late(one, seen.at)]
    status = CRITICAL if sick else WARNING if slow else OK if len(healthy) == len(checked) else UNKNOWN
    hint = ""
    if sick:
        why = next((f", which says: {one.reason}" for one in sick if one.reason), "")
        hint = f"{named(sick)} fails its health check{why}. {look_at_log(sick[0], engine=seen.engine)}"
    elif slow:
        hint = f"{named(slow)} is past the time that its health check gives it to start, and was not healthy yet."
    elif status == UNKNOWN:
        hint = f"{named(one for one in checked if one not in healthy)} is still starting."
    return Finding("health", status, observed=len(healthy), threshold=len(checked), unit="count", hint=hint, subject=seen.name)


def _is_late(one: Instance, at: float) -> bool:
    return one.starts_within is not None and one.started_at is not None and at - one.started_at > one.starts_within


def _ready(seen: ServiceSeen, _terms: Terms) -> t.Union[Finding, Skipped]:
    told = [one for one in seen.running if one.ready is not None]
    if not told:
        return _absent("ready", "no_readiness" if seen.running else "nothing_runs", seen)
    ready = [one for one in told if one.ready]
    status = OK if len(ready) == len(told) else WARNING if ready else CRITICAL
    hint = "" if status == OK else f"{named(one for one in told if not one.ready)} runs and takes no work."
    return Finding("ready", status, observed=len(ready), threshold=len(told), unit="count", hint=hint, subject=seen.name)


def _age(seen: ServiceSeen, terms: Terms) -> t.Union[Finding, Skipped]:
    if _has_end(seen):
        return _absent("age", "has_an_end", seen)
    if not seen.running:
        return _absent("age", "nothing_runs", seen)
    past = seen.past or {}
    young = [one for one in seen.running if not (
        seen.at - one.started_at >= terms.window if one.started_at is not None
        else one.id in past and past[one.id].identity == one.identity)]
    ages = [seen.at - one.started_at for one in seen.running if one.started_at is not None]
    least = round(min(ages), 1) if ages else None
    hint = f"{named(young)} is too young to judge: it was started within {format_duration(terms.window)}. Look again." if young else ""
    return Finding(
        "age", UNKNOWN if young else OK, observed=least, threshold=terms.window, unit="seconds", hint=hint, subject=seen.name,
    )


def _drift(seen: ServiceSeen, _terms: Terms) -> t.Union[Finding, Skipped]:
    if len(seen.running) < 2:
        return _absent("drift", "one_instance" if seen.running else "nothing_runs", seen)
    made_from = {one.name: one.digest or one.version or one.image for one in seen.running}
    if not any(made_from.values()):
        return _absent("drift", "no_image", seen)
    groups: dict[str, list[Instance]] = {}
    for one in seen.running:
        groups.setdefault(made_from[one.name], []).append(one)
    hint = ""
    if len(groups) > 1:
        said = "; ".join(f"{named(group)} from {_short(source, group[0])}" for source, group in groups.items())
        hint = f"Its instances are of different releases: {said}. Finish the release, or take it back."
    return Finding(
        "drift", WARNING if hint else OK, observed=len(groups), threshold=2, unit="count", hint=hint, subject=seen.name,
    )


def _short(source: str, one: Instance) -> str:
    short = source.partition(":")[2][:12] if source.startswith("sha256:") else source
    return f"{one.image} {short}".strip() if short != one.image else short
