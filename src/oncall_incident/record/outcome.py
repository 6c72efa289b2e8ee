# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ended, judged from its record alone. Never a success that was not measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import why
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import complaint
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import (
    CHANGED_OUTCOMES,
    NOT_NEEDED,
    PLANNED,
    REFUSED,
    Action,
    Spared,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import UNKNOWN as ACTION_UNKNOWN
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import (
    COULD_NOT_LOOK,
    CRITICAL,
    NOT_APPLICABLE,
    NOT_IN_CHECK_MODE,
    OK,
    UNKNOWN,
    WARNING,
    Finding,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.words import few
from ansible_collections.oncall.incident.plugins.plugin_utils._record import told
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import INVESTIGATE, MITIGATE, VERIFY
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from ..exits import Exit
from ..terminal import words

OUTCOME_CONTRACT = "oncall.incident/outcome/1"

#: What is missing where nothing but mitigate was run, and what helps.
ONLY_MITIGATE = "only mitigate looked, so verify's checks have no answer: run it without --tags, or with --tags mitigate,verify"
#: Things that one line names.
_MOST_ASIDE = 8
#: Hosts of which it says the same.
_MOST_HOSTS = 3
NO_VERDICT = "no health check gave a verdict: run it without --tags, or with --tags mitigate,verify"

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes:
        name: recovered, not_recovered, nothing_to_do, planned, refused, failed, timed_out, interrupted, not_recorded; of a scenario that
            only looks healthy and not_healthy.
        status: the exit status.
        sentence: for people.
        reasons: why it is not a better one.
        not_measured: hosts of which nobody knows how they are.
        quoted: Ansible's own last words. They may quote files, so they are shown and not recorded.
        to_verify: nothing speaks against the hosts, and only verify can tell whether they are well.
    """

    name: str
    status: Exit
    sentence: str
    reasons: Sequence[str] = ()
    not_measured: Sequence[str] = ()
    quoted: Sequence[str] = ()
    to_verify: bool = False


def wrapper_segment(execution: Json) -> bool:
    """Whether a segment was written by the wrapper rather than by an Ansible process."""
    return execution.get("kind") == "wrapper"


def ansible_segments(summary: Summary) -> list[Json]:
    """The segments of Ansible processes."""
    return [execution for execution in summary.executions if not wrapper_segment(execution)]


def failed_hosts(execution: Json) -> list[str]:
    """Hosts with a failure that nothing rescued."""
    return sorted(host for host, counts in (execution.get("stats") or {}).items() if counts.get("failures"))


def lost_hosts(summary: Summary) -> set[str]:
    """Hosts that the last execution could not reach any more: whatever was measured there, nobody knows how they are now."""
    segments = ansible_segments(summary)
    stats = (segments[-1].get("stats") or {}) if segments else {}
    return {str(host) for host, counts in stats.items() if counts.get("unreachable")}


def planned(summary: Summary) -> list[tuple[str, Action]]:
    """The plan's actions with their hosts."""
    return [(host, told.action(one)) for host, found in sorted(((summary.plan or {}).get("actions") or {}).items()) for one in found]


def carried_out(summary: Summary) -> list[Seen[Action]]:
    """The actions of real executions, in the order they happened."""
    return sorted((seen for seen in summary.actions if seen.what.outcome != PLANNED), key=lambda seen: seen.seq)


def what_was_done(summary: Summary) -> str:
    """What was done, in words. "Nothing was changed" only when no target was touched, whatever the actions' outcomes are."""
    actions = [seen.what for seen in carried_out(summary)]
    done = sum(1 for action in actions if action.outcome in CHANGED_OUTCOMES)
    in_vain = sum(1 for action in actions if action.outcome not in CHANGED_OUTCOMES and action.was_touched)
    said = [f"{words.count(done, 'action')} done"] if done else []
    if in_vain:
        said.append(f"{words.count(in_vain, 'action')} carried out without the planned result")
    if not said:
        # A failure may have begun, and what a host that went away was doing may have been done: its answer is lost.
        may_be = summary.unanswered or summary.unreachable or any(action.was_touched is None for action in actions)
        said = ["no action is known to be done" if may_be else "nothing was changed"]
    if summary.unanswered:
        said.append(f"the outcome of {words.count(len(summary.unanswered), 'step')} is unknown")
    return ", ".join(said)


def answers_at_the_end(summary: Summary) -> list[tuple[str, Action]]:
    """The answers to approved actions that nothing has answered, by host, for when the record is closed.

    Their host went away, or the run ended. Nothing was done where no task that acts was begun there; else nobody knows.
    """
    away = {str(entry["host"]): words.one_line(entry["msg"], limit=300) for entry in summary.unreachable}
    found = []
    for entry in summary.open_actions:
        host, action = str(entry["host"]), told.action(entry["action"])
        begun = bool(entry["begun"] or summary.lost_events)
        error = f"the host could not be reached: {away[host]}" if host in away else "the run ended before it was answered"
        detail = {**action.detail, "why": why.NO_ANSWER if begun else why.NOT_TRIED, "error": error}
        kept = action.temporary if begun else None
        found.append((host, dataclasses.replace(
            action, outcome=ACTION_UNKNOWN, detail=detail, touched=None if begun else False, temporary=kept)))
    return found


def without_answer(summary: Summary) -> list[str]:
    """The approved actions that nothing has answered, for people."""
    answers = answers_at_the_end(summary)
    more = [f"and {len(answers) - 10} more"] if len(answers) > 10 else []
    return [
        f"{host}: {action.verb.replace('_', ' ')} {words.one_line(action.name)}: "
        + ("not tried" if action.detail["why"] == why.NOT_TRIED else "outcome unknown") + f": {action.detail['error']}"
        for host, action in answers[:10]
    ] + more


def spared(summary: Summary) -> list[Seen[Spared]]:
    """Who was spared, once each: the execution that acts meets the same ones again, some seconds older."""
    found = {(seen.host, seen.what.name, words.query(seen.what.target), seen.what.reasons): seen for seen in summary.protected}
    return list(found.values())


def troubled(summary: Summary) -> set[str]:
    """Hosts that had something wrong: a finding that is not ok, or something planned or done."""
    bad = {seen.host for seen in summary.before.values() if seen.what.status != OK}
    return bad | {host for host, _action in planned(summary)} | {seen.host for seen in carried_out(summary)}


def measured(summary: Summary) -> set[str]:
    """Hosts on which verify gave a verdict that asked something. Of a large fleet not every finding is kept, and every host is."""
    return answered(summary, VERIFY)


def answered(summary: Summary, phase: str) -> set[str]:
    """Hosts with an answer of a phase. A verdict that asked nothing is none; where nobody says what was asked, a finding is one."""
    told = set(summary.told.get(phase, ()))
    unsaid = {
        seen.host for seen in (*summary.before.values(), *summary.after.values())
        if seen.phase == phase and seen.what.asked is None and seen.host not in told
    }
    return unsaid | set(summary.judged.get(phase, ()))


def not_captured(summary: Summary) -> list[Mapping[str, Any]]:
    """The hosts of which no outputs are kept since another machine answered for them; each once."""
    return list({str(item.get("host")): item for item in summary.captured if item.get("refused")}.values())


def not_measured(summary: Summary) -> list[str]:
    """Hosts of which nobody knows how they are: not reached at all, or lost later, or in trouble and never verified."""
    unreached = {str(entry["host"]) for entry in summary.unreachable}
    told = set(summary.told.get(VERIFY, ()))
    examined = set(summary.looked_at) if told else set()
    known = unreached | examined | told | (troubled(summary) - helped(summary))
    return sorted((known - measured(summary)) | lost_hosts(summary))


def unmet(summary: Summary, phase: str, *, deferred: bool = True) -> list[str]:
    """Why the hosts of a phase are not all healthy, by what its last verdicts asked: what is not good, and what to do about it.

    Args:
        deferred: also what has no answer only since check mode does not ask it.
    """
    said = []
    for verdict in summary.unmet:
        if verdict.get("phase") != phase:
            continue
        host, asked = str(verdict["host"]), set(verdict.get("asked") or ())
        item, target = str(verdict.get("item", "")), str(verdict.get("target", ""))
        if not asked:
            said.append(f"{host}: {verdict.get('task')}: {verdict.get('status')}, and nothing was asked")
            continue
        found = [
            seen for seen in not_ok(summary)
            if seen.host == host and seen.what.check in asked and item in ("", seen.item) and target in ("", seen.target)
        ]
        of = f" ({item})" if item else ""
        if found and not deferred:
            found = [seen for seen in found if not only_a_write_tells(seen)]
            said += _finding_reasons(found)
            continue
        said += _finding_reasons(found)
        if not found:
            said.append(f"{host}: {verdict.get('task')}{of}: no answer to {', '.join(sorted(asked))}")
    if phase == VERIFY:
        said += [
            f"{one['host']}: {one['check']}: asked of {words.count(int(one['before']), 'target')} before, and verified of {one['after']}"
            for one in summary.left_out
        ]
    told = set(summary.told.get(phase, ()))
    said += [
        _finding_reason(seen, checks=[seen.what.check]) for seen in still_bad(summary)
        if seen.phase == phase and seen.what.asked is None and seen.host not in told
    ]
    return list(dict.fromkeys(said))[:10]


def silent(summary: Summary, phase: str) -> list[str]:
    """Hosts that were looked at and of which the phase asked nothing; of a record that tells no verdicts none."""
    told = set(summary.told.get(phase, ()))
    return sorted((set(summary.looked_at) | told) - set(summary.judged.get(phase, ()))) if told else []


def not_looked_at(summary: Summary) -> dict[str, list[str]]:
    """The checks that nobody had to answer and that could not be, or were not to be, looked at, by host."""
    judged = {(seen.host, seen.what.check) for seen in summary.findings}
    found: dict[str, list[str]] = {}
    for seen in summary.skipped_checks:
        if seen.what.kind == COULD_NOT_LOOK and (seen.host, seen.what.check) not in judged:
            found.setdefault(seen.host, []).append(seen.what.check)
    return found


def helped(summary: Summary) -> set[str]:
    """Hosts that have no health check of their own and on which every planned action was measured to be done.

    An application's host, for example: that its service came up again is measured with the restart itself.
    """
    examined = {seen.host for seen in (*summary.before.values(), *summary.after.values())}
    carried: dict[str, dict[str, str]] = {}
    for seen in carried_out(summary):
        carried.setdefault(seen.host, {})[seen.what.id] = seen.what.outcome
    wanted: dict[str, set[str]] = {}
    for host, action in planned(summary):
        wanted.setdefault(host, set()).add(action.id)
    good = CHANGED_OUTCOMES | {NOT_NEEDED}
    return {
        host for host, found in carried.items()
        if host not in examined and set(found.values()) <= good and wanted.get(host, set()) <= set(found)
    }


def not_ok(summary: Summary) -> list[Seen[Finding]]:
    """The findings that are not ok as they were measured last; none of what was not known, and does not apply by a later look."""
    absent: dict[Any, int] = {}
    for skip in summary.skipped_checks:
        if skip.what.kind == NOT_APPLICABLE:
            absent[skip.host, skip.what.check, skip.item, skip.target] = skip.seq
    return [
        seen for seen in summary.findings if seen.what.status != OK
        and not (seen.what.status == UNKNOWN and absent.get((seen.host, seen.what.check, seen.item, seen.target), seen.seq) > seen.seq)
    ]


def still_bad(summary: Summary) -> list[Seen[Finding]]:
    """Critical and unknown findings as they were measured last."""
    return [seen for seen in summary.findings if seen.what.status in (CRITICAL, UNKNOWN)]


def stopped(reason: str, summary: Summary) -> Outcome:
    """The run was stopped from outside."""
    unknown = _unknown(summary)
    number = words.count(len(unknown), "step")
    rest = f" The outcome of {number} is unknown; the next run measures it." if unknown else " Nothing was under way."
    if reason == "timeout":
        return Outcome("timed_out", Exit.TIMED_OUT, f"Stopped when the time was over.{rest}", unknown, not_measured(summary))
    return Outcome("interrupted", Exit.INTERRUPTED, f"Stopped by a signal.{rest}", unknown, not_measured(summary))


def after_planning(summary: Summary, *, plan_asked: bool = True) -> Outcome:
    """After the execution that only looks: a plan, nothing to do, or why neither.

    Also the end of a run with --check or without the phase mitigate.

    Args:
        plan_asked: whether the phase mitigate was run, which makes the plan.
    """
    unplanned = "nothing was planned" if plan_asked else "no plan was asked for"
    execution = ansible_segments(summary)[-1] if ansible_segments(summary) else {}
    reasons = _failure_reasons(summary, failed_hosts(execution))
    unreached = sorted({str(entry["host"]) for entry in summary.unreachable})
    plan = planned(summary)
    if failed_hosts(execution) or not execution.get("stats"):
        rest = f" {words.count(len(plan), 'action')} planned on the others." if plan else f" {_capital(unplanned)}, nothing was touched."
        failed = "The plan could not be made on every host." if plan_asked else "Not every host could be looked at."
        return Outcome("failed", Exit.FAILED, f"{failed}{rest}", reasons or _no_end(execution), unreached)
    if plan:
        hosts = len({host for host, _action in plan})
        note = f" Not measured: {', '.join(unreached)}." if unreached else ""
        return Outcome("planned", Exit.RECOVERED, f"{words.count(len(plan), 'action')} planned on {words.count(hosts, 'host')}.{note}",
                       reasons, unreached)
    if unreached:
        return Outcome("not_recovered", Exit.NOT_RECOVERED, f"Not measured: {', '.join(unreached)}.", reasons, unreached)
    bad = still_bad(summary)
    deferred = [seen for seen in bad if only_a_write_tells(seen)]
    if len(deferred) < len(bad):
        worst_first = [*(seen for seen in bad if not only_a_write_tells(seen)), *deferred]
        return Outcome(
            "not_recovered", Exit.NOT_RECOVERED, f"Not healthy, and {unplanned}.",
            [*_refused(summary), *_left_alone(summary), *_finding_reasons(worst_first)],
        )
    phase = INVESTIGATE if summary.looked_at or summary.told.get(INVESTIGATE) or answered(summary, INVESTIGATE) else MITIGATE
    left, unanswered = unmet(summary, phase, deferred=False), silent(summary, phase)
    if left or unanswered:
        left = unmet(summary, phase)
        return Outcome(
            "not_recovered", Exit.NOT_RECOVERED, f"Not every check that decides is ok, and {unplanned}.",
            [*_refused(summary), *_left_alone(summary), *left, *_asked_nothing(summary, phase), *_not_told(summary, phase)], unanswered,
        )
    unasked = unverified(summary)
    if deferred or unasked:
        return Outcome(
            "not_recovered", Exit.NOT_RECOVERED, "Nothing was planned, and not all that verify asks was asked.",
            [*_refused(summary), *_finding_reasons(deferred), *(f"{host}: {ONLY_MITIGATE}" for host in unasked[:10])], unasked,
            to_verify=True,
        )
    if summary.lost_events:
        return _with_holes(summary)
    well = answered(summary, INVESTIGATE)
    if not well:
        return Outcome(
            "not_recovered", Exit.NOT_RECOVERED, "Nothing was measured.", [*_refused(summary), NO_VERDICT], to_verify=phase == MITIGATE)
    nothing = "nothing planned" if plan_asked else unplanned
    return Outcome(
        "nothing_to_do", Exit.NOTHING_TO_DO, f"{words.count(len(well), 'host')} measured healthy, {nothing}.",
        [*(f"{host}: not looked at: {', '.join(checks)}" for host, checks in list(not_looked_at(summary).items())[:10]), *_aside(summary)],
    )


def after_looking(summary: Summary) -> Outcome:
    """After a run of a scenario that only looks.

    What only a write could tell was not asked, since nothing is written: it is named, and says nothing for or against a host.
    """
    execution = ansible_segments(summary)[-1] if ansible_segments(summary) else {}
    unreached = sorted({str(entry["host"]) for entry in summary.unreachable})
    bad = [seen for seen in still_bad(summary) if not only_a_write_tells(seen)]
    left = unmet(summary, INVESTIGATE, deferred=False)
    aside = [f"{host}: not looked at: {', '.join(checks)}" for host, checks in list(_unseen(summary).items())[:10]]
    found = list(dict.fromkeys([*_finding_reasons(bad), *left, *_asked_nothing(summary, INVESTIGATE), *_not_told(summary, INVESTIGATE)]))
    if failed_hosts(execution) or not execution.get("stats"):
        reasons = _failure_reasons(summary, failed_hosts(execution)) or _no_end(execution)
        return Outcome("failed", Exit.FAILED, "Not everything could be looked at.", [*reasons, *found], unreached)
    well = answered(summary, INVESTIGATE)
    if not well and not unreached:
        return Outcome("not_healthy", Exit.NOT_RECOVERED, "Nothing was measured.", [NO_VERDICT])
    if found or unreached:
        ill = sorted({seen.host for seen in bad} | {line.partition(":")[0] for line in found})
        said = [f"Not healthy: {few(ill, most=_MOST_ASIDE)}."] if ill else []
        said += [f"Not reached: {few(unreached, most=_MOST_ASIDE)}."] if unreached else []
        return Outcome("not_healthy", Exit.NOT_RECOVERED, " ".join(said), [*found, *aside], unreached)
    if summary.lost_events:
        return _with_holes(summary)
    return Outcome("healthy", Exit.RECOVERED, f"{words.count(len(well), 'host')} measured healthy.", [*aside, *_aside(summary)])


def _unseen(summary: Summary) -> dict[str, list[str]]:
    """What was not looked at, by host: nobody had to, it could not be, or only a write could tell."""
    found = {host: list(checks) for host, checks in not_looked_at(summary).items()}
    for seen in still_bad(summary):
        if only_a_write_tells(seen):
            found.setdefault(seen.host, []).append(f"{seen.what.check} (only a write tells)")
    return found


def unverified(summary: Summary) -> list[str]:
    """Hosts of which nothing but mitigate looked: it looks at what it acts on, which is less than what verify asks."""
    return sorted(answered(summary, MITIGATE) - answered(summary, INVESTIGATE))


def after_verifying(end: Outcome, summary: Summary) -> Outcome:
    """After an execution that only verified, since nothing was planned and not all that verify asks had been asked.

    Args:
        end: what after_acting() says of it.
    """
    if end.name != "recovered":
        return dataclasses.replace(end, reasons=[*end.reasons, *_refused(summary)])
    return dataclasses.replace(
        end, name="nothing_to_do", status=Exit.NOTHING_TO_DO,
        sentence=f"{words.count(len(measured(summary)), 'host')} measured healthy, nothing planned.",
    )


def after_acting(summary: Summary) -> Outcome:
    """After the execution that acts and verifies."""
    execution = ansible_segments(summary)[-1] if ansible_segments(summary) else {}
    failed = failed_hosts(execution)
    unmeasured = not_measured(summary)
    did, unknown = what_was_done(summary), _unknown(summary)
    if not execution.get("stats"):
        return Outcome("failed", Exit.FAILED, f"Ansible did not get to its end; {did}.", [*_no_end(execution), *unknown], unmeasured)
    reasons = [*unknown, *_failure_reasons(summary, failed)]
    blind = [host for host in failed if host not in measured(summary)]
    if blind:
        return Outcome("failed", Exit.FAILED, f"Failed on {', '.join(blind)} before it was measured; {did}.", reasons, unmeasured)
    if failed:
        return Outcome("not_recovered", Exit.NOT_RECOVERED, f"{', '.join(failed)} did not come back to health; {did}.",
                       reasons or _finding_reasons(still_bad(summary)), unmeasured)
    if unmeasured:
        return Outcome("not_recovered", Exit.NOT_RECOVERED, f"Not measured: {', '.join(unmeasured)}; {did}.",
                       [*reasons, *unmet(summary, VERIFY), *_asked_nothing(summary, VERIFY)], unmeasured)
    if not measured(summary):
        return Outcome("not_recovered", Exit.NOT_RECOVERED, f"Nothing was verified; {did}.", ["verify gave no verdict"])
    left = unmet(summary, VERIFY)
    if summary.open_actions:
        return Outcome("not_recovered", Exit.NOT_RECOVERED, f"Not every approved action was answered; {did}.", [*left, *reasons])
    if left:
        return Outcome("not_recovered", Exit.NOT_RECOVERED, f"Not every check that decides is ok; {did}.", [*left, *reasons])
    if summary.lost_events:
        return _with_holes(summary)
    return Outcome(
        "recovered", Exit.RECOVERED, f"{_capital(did)}, {words.count(len(measured(summary)), 'host')} measured healthy.",
        _aside(summary, unseen=not_looked_at(summary)),
    )


def _with_holes(summary: Summary) -> Outcome:
    """Nothing in the record speaks against the hosts, but part of it was lost, and that may be what does."""
    return Outcome(
        "not_recorded", Exit.NOT_RECORDED,
        f"{words.count(summary.lost_events, 'event')} could not be written, so nobody knows from the record whether all is well; "
        f"{what_was_done(summary)}.", ["Free space where the record is written, then run it again: that measures."],
    )


def _aside(summary: Summary, *, unseen: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """One line of all that "measured healthy" does not say: what was taken out, does not apply, is good enough without being ok.

    Args:
        unseen: what could not be looked at, by host, where that is not told elsewhere.
    """
    found: dict[tuple[str, str], list[str]] = {}

    def tell(host: str, why_not: str, *checks: str) -> None:
        found.setdefault((host, why_not), []).extend(checks)

    for one in summary.taken_out:
        tell(str(one["host"]), "asked before and not verified", str(one["check"]))
    for seen in not_ok(summary):
        of = f" {words.one_line(seen.what.subject, limit=60)}" if seen.what.subject else ""
        if seen.what.asked is not None:
            good = "good enough without being ok" if seen.what.status == WARNING else "not ok before, and not looked at so again"
            tell(seen.host, good if seen.what.asked else "not asked, and not ok", f"{seen.what.check}{of} {seen.what.status}")
    for host, checks in (unseen or {}).items():
        tell(host, "not looked at", *checks)
    judged = {(seen.host, seen.what.check) for seen in summary.findings}
    asked = {(host, check) for host, checks in summary.asked.items() for check in checks}
    for skip in summary.skipped_checks:
        about = (skip.host, skip.what.check)
        if skip.what.kind == NOT_APPLICABLE and about in asked and about not in judged:
            tell(skip.host, "does not apply", skip.what.check)
    whom: dict[str, list[str]] = {}
    for (host, why_not), names in found.items():
        whom.setdefault(f"{why_not}: {few(dict.fromkeys(names), most=_MOST_ASIDE, last=', and ')}", []).append(host)
    said = [f"{few(hosts, most=_MOST_HOSTS, last=', and ')}: {what}" for what, hosts in whom.items()]
    return [f"Beside that: {few(said, most=_MOST_ASIDE, separator='; ', last='; and ')}."] if said else []


def by_health(name: str, summary: Summary, *, not_measured: Sequence[str]) -> dict[str, list[str]]:
    """The hosts that a run measured to be well, or that it was not about (`well`), and those that it did not (`unwell`).

    Args:
        name, not_measured: of its outcome.
    """
    verified = answered(summary, VERIFY)
    known = {*summary.hosts, *verified, *answered(summary, INVESTIGATE)}
    if name in ("recovered", "nothing_to_do"):
        return {"well": sorted(known), "unwell": []}
    about = {
        *summary.looked_at, *(host for hosts in summary.told.values() for host in hosts), *not_measured,
        *(str(entry["host"]) for entry in summary.unreachable), *(host for host, _action in planned(summary)), *_judged_bad(summary),
    }
    bad = {
        *_judged_bad(summary), *not_measured, *lost_hosts(summary),
        *(str(entry["host"]) for entry in (*summary.failures, *summary.unreachable, *summary.unanswered, *summary.open_actions)),
    }
    if not verified:
        bad |= {host for host, _action in planned(summary)}
    well = ((verified or answered(summary, INVESTIGATE)) & about) - bad
    return {"well": sorted(well), "unwell": sorted(about - well)}


def _judged_bad(summary: Summary) -> set[str]:
    """Hosts of which a check that decides is not ok, or that were not asked all of them."""
    return {
        *(str(verdict["host"]) for verdict in summary.unmet), *(str(one["host"]) for one in summary.left_out),
        *(seen.host for seen in still_bad(summary)),
    }


def _asked_nothing(summary: Summary, phase: str) -> list[str]:
    """Hosts whose health checks had nothing to answer, for example because the list of checks is empty."""
    hosts = set(summary.told.get(phase, ())) - set(summary.judged.get(phase, ()))
    return [f"{host}: its health checks were asked nothing, so it is not known to be healthy" for host in sorted(hosts)][:10]


def _not_told(summary: Summary, phase: str) -> list[str]:
    told = set(summary.told.get(phase, ()))
    return [f"{host}: no health check gave a verdict" for host in silent(summary, phase) if host not in told][:10]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _unknown(summary: Summary) -> list[str]:
    """The steps that were begun and did not answer."""
    return [f"unknown outcome on {entry['host']}: {entry['task']}" for entry in summary.unanswered]


def _no_end(execution: Json) -> list[str]:
    return [f"the process ended without its statistics ({execution.get('ended_how') or 'killed'})"]


def _refused(summary: Summary) -> list[str]:
    """What would help and is refused: without it an operator would only read that nothing was planned."""
    return [
        f"{seen.host}: {seen.what.verb.replace('_', ' ')} {words.one_line(seen.what.name)} is refused: "
        + words.one_line(complaint(seen.what) if seen.what.detail else "no reason given", limit=300)
        for seen in carried_out(summary) if seen.what.outcome == REFUSED
    ][:10]


def _left_alone(summary: Summary) -> list[str]:
    """Whom a rule would have taken, and why it was spared: where nothing is planned, that is what is to be decided by hand."""
    return [
        f"{seen.host}: left alone: {words.one_line(seen.what.name, limit=200)}: {words.reasons(seen.what.reasons)}"
        for seen in spared(summary) if seen.what.would_match
    ][:10]


def _failure_reasons(summary: Summary, hosts: Sequence[str]) -> list[str]:
    """What failed on these hosts, the last thing said first; and who was not reached."""
    failures = [entry for entry in summary.failures if entry["host"] in hosts]
    said = [f"{entry['host']}: {words.one_line(entry['msg'] or entry['task'], limit=300)}" for entry in failures]
    said += [f"{entry['host']}: unreachable: {words.one_line(entry['msg'], limit=300)}" for entry in summary.unreachable]
    said = list(dict.fromkeys(reversed(said)))
    # A failure that was kept is said again at the end, with its phase in front.
    return [line for line in said if not any(line != other and other.endswith(line.partition(": ")[2]) for other in said)][:10]


def only_a_write_tells(seen: Seen[Finding]) -> bool:
    """Whether a check has no answer only since it was asked in check mode: verify asks it for real."""
    return seen.what.status == UNKNOWN and str(seen.what.detail.get("reason") or "").startswith(NOT_IN_CHECK_MODE)


def _finding_reasons(findings: Sequence[Seen[Finding]]) -> list[str]:
    """One line each, but one for all of a look that could not be answered for one reason."""
    together: dict[Any, list[Seen[Finding]]] = {}
    for number, seen in enumerate(findings):
        finding = seen.what
        same = finding.status == UNKNOWN and not finding.subject and finding.detail.get("reason")
        key = (seen.host, seen.item, seen.target, str(finding.detail["reason"])) if same else number
        together.setdefault(key, []).append(seen)
    return [
        _finding_reason(next((seen for seen in found if seen.what.hint), found[0]), checks=[seen.what.check for seen in found])
        for found in together.values()
    ][:10]


def _finding_reason(seen: Seen[Finding], *, checks: Sequence[str]) -> str:
    """What is wrong; of what could not be looked at why, and what to do so that it can be.

    Args:
        checks: those of which this is to be said.
    """
    finding = seen.what
    of = "".join(f" {part}" for part in (finding.subject, f"({seen.item})" if seen.item else "") if part)
    names = list(dict.fromkeys(checks))
    about = f"{seen.host}: {', '.join(names)}{of} {'are' if len(names) > 1 else 'is'} {finding.status}"
    if finding.status != UNKNOWN:
        return f"{about} ({words.measured(finding.observed, finding.unit)})"
    why = words.one_line(str(finding.detail.get("reason") or ""), limit=200).rstrip(".")
    return ". ".join(part for part in (f"{about}: {why}" if why else about, words.one_line(finding.hint, limit=200).rstrip(".")) if part)
