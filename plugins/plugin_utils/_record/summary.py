# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record says, folded into data for a report or a progress display.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from pathlib import Path

from ...module_utils._core import temporary
from ...module_utils._core.actions import ACTIONS_CONTRACT, PLANNED, Action, Spared
from ...module_utils._core.findings import OK, Finding, Skipped
from ...module_utils._core.series import Series, thinned
from . import keeping, reader, told
from .looks import Findings, Looks, source_of
from .phases import INVESTIGATE, MITIGATE
from .told import Seen
from .verdicts import Verdicts

#: More failures, protected targets or unanswered intents than this are counted, not kept.
MOST_KEPT = 1000
#: Characters of a host's own words that are part of a message.
MOST_HEARD = 300

Dict = dict[str, t.Any]
_KEEPS = frozenset({keeping.OF_A_MACHINE, keeping.OF_A_SERVER})


@dataclasses.dataclass
class Summary:
    """A run as its record tells it. as_dict() is JSON-like.

    Attributes:
        run: the run's id.
        started, ended: `ts` of the first and the last event.
        complete: the last segment was closed.
        executions: one per segment: segment, started, ended, ended_how, check_mode, argv, user, host, versions, stats, ...
            (what segment.open said).
        findings: the last look at every finding, each target's own.
        before, after: the finding as investigate (or, without one, the first look) and as verify saw it, by
            "host|check|subject"; of a loop with its item, and from the second target of a host with a number, the same one in both.
        skipped_checks: the last word on every check that could not run.
        series: numbers over time: of each what all looks have seen of it.
        unmet: the verdicts of the last execution that are not good, and those that are critical and asked nothing: host, phase, task,
            item, target, asked, checks, healthy, seq, ts.
        told: hosts with a verdict of the last execution, by phase.
        judged: those of them of which something was asked.
        asked: what the last execution asked of each host, in any phase.
        left_out: checks that verify asked of fewer targets of a host than investigate did: host, check, before, after.
        taken_out: checks that investigate asked and verify of the same host did not: host, check.
        looked_at: the hosts on which investigate looked at something.
        places: where investigate looked and as whom: place, host, phase, seq, ts; each once.
        actions: one per host and id, the last outcome that was no longer planned.
        changes: the same of those that are temporary or undo one, and `looks` the last findings about such changes: all of them, also
            beyond MOST_KEPT, since an incident must not be closed over one that was dropped.
        protected: who was spared.
        plan: the last plan, or None.
        approval: the last plan.approved or plan.refused event, or None.
        unanswered: intents without a result, and those that were to change something and lost their host: host, task, action, phase,
            seq, ts, args, check_mode, and `actions`: the approved actions of that host whose outcome is unknown.
        open_actions: actions of the approved plan that nothing has answered so far: host, action, and begun, which says that a task that
            was to change something on the host did not say what it did.
        failures: failed results that were not ignored: host, task, action, phase, msg, seq, ts, and `problems` where the result lists them.
        unreachable: hosts that were not measured: host, task, msg, seq, ts.
        captured: whose outputs were kept, or not: host, seq, ts, action, and of the result machine, collected, refused, reason.
        no_hosts: plays that matched no host.
        hosts: names of hosts that answered.
        lost_events: how many events could not be written (record.degraded).
        interrupted: the last interrupted event, or None.
        outcome: the wrapper's outcome event, or None.
        recovered: the recovered events.
        timeline: what a reader wants to see in order: play.start, finding (not ok), plan, approval, action, failures, ...; of very
            many the first and the last.
        phases: when each phase ran: phase, started, ended, segment, check_mode.
        counts: events by type, and `dropped`: entries beyond MOST_KEPT.
    """

    run: str = ""
    started: str = ""
    ended: str = ""
    complete: bool = False
    executions: list[Dict] = dataclasses.field(default_factory=list)
    findings: list[Seen[Finding]] = dataclasses.field(default_factory=list)
    before: dict[str, Seen[Finding]] = dataclasses.field(default_factory=dict)
    after: dict[str, Seen[Finding]] = dataclasses.field(default_factory=dict)
    skipped_checks: list[Seen[Skipped]] = dataclasses.field(default_factory=list)
    series: list[Seen[Series]] = dataclasses.field(default_factory=list)
    unmet: list[Dict] = dataclasses.field(default_factory=list)
    told: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    judged: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    asked: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    left_out: list[Dict] = dataclasses.field(default_factory=list)
    taken_out: list[Dict] = dataclasses.field(default_factory=list)
    looked_at: list[str] = dataclasses.field(default_factory=list)
    places: list[Dict] = dataclasses.field(default_factory=list)
    actions: list[Seen[Action]] = dataclasses.field(default_factory=list)
    changes: list[Seen[Action]] = dataclasses.field(default_factory=list)
    looks: list[Seen[Finding]] = dataclasses.field(default_factory=list)
    protected: list[Seen[Spared]] = dataclasses.field(default_factory=list)
    plan: Dict | None = None
    approval: Dict | None = None
    unanswered: list[Dict] = dataclasses.field(default_factory=list)
    open_actions: list[Dict] = dataclasses.field(default_factory=list)
    failures: list[Dict] = dataclasses.field(default_factory=list)
    unreachable: list[Dict] = dataclasses.field(default_factory=list)
    captured: list[Dict] = dataclasses.field(default_factory=list)
    no_hosts: list[Dict] = dataclasses.field(default_factory=list)
    hosts: list[str] = dataclasses.field(default_factory=list)
    lost_events: int = 0
    interrupted: Dict | None = None
    outcome: Dict | None = None
    recovered: list[Dict] = dataclasses.field(default_factory=list)
    timeline: list[Dict] = dataclasses.field(default_factory=list)
    phases: list[Dict] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> Dict:
        """The summary as data."""
        return {field.name: _data(getattr(self, field.name)) for field in dataclasses.fields(self)}


def summarise(run_dir: Path) -> Summary:
    """Fold a run's record. Memory grows with findings, actions and failures, not with events.

    Args:
        run_dir: the run's directory, the one that contains `record/`.
    """
    fold = Fold()
    for event in reader.read(run_dir):
        fold.add(event)
    return fold.summary()


class Fold:
    """The same, one event after the other: add(event), then summary() at any time."""

    def __init__(self) -> None:
        self._summary = Summary()
        self._findings = Findings(MOST_KEPT)
        self._actions: dict[tuple[str, str], Seen[Action]] = {}
        self._changes: dict[tuple[str, str], Seen[Action]] = {}
        self._looks: dict[tuple[str, str], Seen[Finding]] = {}
        self._protected: dict[tuple[str, str], Seen[Spared]] = {}
        self._skipped: Looks[Skipped] = Looks(MOST_KEPT)
        self._series: dict[tuple[str, str, str, str], Seen[Series]] = {}
        self._verdicts = Verdicts()
        self._looked_at: dict[str, None] = {}
        self._places: dict[tuple[str, str], Dict] = {}
        self._intents: dict[tuple[int, str, str], Dict] = {}
        self._open: dict[tuple[str, str], Dict] = {}
        # Hosts on which a task that acts was begun and did not say what it did.
        self._mute: set[str] = set()
        self._hosts: dict[str, None] = {}
        self._check_mode = False
        self._timeline_head: list[Dict] = []
        self._timeline_tail: collections.deque[Dict] = collections.deque(maxlen=MOST_KEPT // 2)
        self._phase: Dict | None = None
        # A writer's later files -> its first one.
        self._continued: dict[int, int] = {}
        self._handlers: dict[str, t.Callable[[Dict], None]] = {
            "segment.open": self._segment_open, "segment.close": self._segment_close, "play.start": self._play_start,
            "intent": self._intent, "result": self._result, "finding": self._finding, "skipped_check": self._skipped_check,
            "series": self._one_series,
            "verdict": self._verdict, "place": self._place, "action": self._action, "protected": self._protect, "plan": self._plan,
            "plan.approved": self._approval, "plan.refused": self._approval, "no_hosts": self._no_hosts, "stats": self._stats,
            "interrupted": self._interrupted,
            "outcome": self._outcome, "recovered": self._recovered, "record.degraded": self._degraded, "run.open": self._timeline,
        }

    def add(self, event: Dict) -> None:
        """Take in one event. Types that are not known here are only counted."""
        result, kind = self._summary, str(event.get("type", ""))
        result.run = result.run or str(event.get("run", ""))
        result.started = result.started or str(event.get("ts", ""))
        result.ended = str(event.get("ts", result.ended))
        result.counts[kind] = result.counts.get(kind, 0) + 1
        result.complete = kind == "segment.close" and event.get("ended") != "continued"
        if self._phase is not None:
            self._phase["ended"] = result.ended
        if handler := self._handlers.get(kind):
            handler(event)

    def summary(self) -> Summary:
        """The run so far."""
        result = self._summary
        result.findings, result.before, result.after = self._findings.last(), self._findings.before(), self._findings.after()
        result.actions = list(self._actions.values())
        result.changes, result.looks = list(self._changes.values()), list(self._looks.values())
        result.protected = list(self._protected.values())
        result.skipped_checks = self._skipped.values()
        result.series = list(self._series.values())
        result.unmet, result.told, result.judged = self._verdicts.unmet(), self._verdicts.told(), self._verdicts.judged()
        result.asked = self._verdicts.asked()
        result.left_out, result.taken_out = self._verdicts.left_out(), self._verdicts.taken_out()
        result.looked_at = list(self._looked_at)
        result.places = list(self._places.values())
        result.hosts = list(self._hosts)
        result.timeline = [*self._timeline_head, *self._timeline_tail]
        result.unanswered = [{**intent, "actions": self._unknown_actions(intent)} for intent in self._intents.values()]
        mute = self._mute | {str(intent.get("host") or "") for intent in self._intents.values() if _may_act(intent)}
        result.open_actions = [{"host": key[0], "begun": key[0] in mute, "action": one} for key, one in self._open.items()]
        return result

    # One method per type

    def _play_start(self, event: Dict) -> None:
        self._timeline(event)
        self._phase = None

    def _in_phase(self, name: str, event: Dict) -> None:
        """A task of a phase begins it, the next play ends it; plays of the same phase in a row are one."""
        if not name or (self._phase is not None and self._phase["phase"] == name):
            return
        last = self._summary.phases[-1] if self._summary.phases else {}
        segment = self._continued.get(int(event.get("segment", 0)), event.get("segment"))
        if last.get("phase") == name and last.get("segment") == segment:
            self._phase = last
            return
        self._phase = {"phase": name, "started": event.get("ts"), "ended": event.get("ts"), "segment": segment,
                       "check_mode": self._check_mode}
        self._append_limited(self._summary.phases, self._phase)

    def _segment_open(self, event: Dict) -> None:
        if event.get("continues"):
            self._continued[int(event.get("segment", 0))] = int(event["continues"])
            return
        self._phase = None
        self._check_mode = bool(event.get("check_mode"))
        if event.get("kind") != "wrapper":  # another execution looks again
            self._verdicts.anew()
        self._summary.executions.append({
            **_body(event), "segment": event.get("segment"), "started": event.get("ts"), "ended": None, "ended_how": None,
        })

    def _segment_close(self, event: Dict) -> None:
        if event.get("ended") == "continued":
            return
        self._phase = None
        if self._summary.executions:
            self._summary.executions[-1].update(ended=event.get("ts"), ended_how=event.get("ended"))

    def _stats(self, event: Dict) -> None:
        if self._summary.executions:
            self._summary.executions[-1]["stats"] = event.get("hosts", {})

    def _intent(self, event: Dict) -> None:
        self._in_phase(str(event.get("phase") or ""), event)
        self._keep_limited(self._intents, self._intent_key(event), {
            **_select(event, "host", "task", "action", "phase", "seq", "ts", "args", "delegate_to", "segment"),
            "check_mode": bool(event.get("check_mode", self._check_mode)),
        })

    def _result(self, event: Dict) -> None:
        if "item_index" in event:  # the task of that host is still running
            return
        intent = self._intents.pop(self._intent_key(event), None)
        host, status = str(event.get("host", "")), event.get("status")
        if status == "unreachable":
            if intent is not None and _acts(intent):  # it may have been cut off in the middle: nobody knows what came of it
                self._intents[self._intent_key(event)] = intent
            self._append_limited(self._summary.unreachable, {**_select(event, "host", "task", "seq", "ts"), "msg": message(event)})
            self._timeline(event)
            return
        self._hosts[host] = None
        if status == "failed" and intent is not None and _acts(intent) and not _answers(event):
            self._mute.add(host)
        if event.get("action") in _KEEPS and isinstance(event.get("result"), dict):
            said = _select(event["result"], "machine", "collected", "refused", "reason")
            if isinstance(said.get("machine"), dict):
                self._append_limited(self._summary.captured, {**_select(event, "host", "seq", "ts", "action"), **said})
        if status == "failed" and not event.get("ignored"):
            failure = {**_select(event, "host", "task", "action", "phase", "seq", "ts"), "msg": message(event), **_problems(event)}
            self._append_limited(self._summary.failures, failure)
            self._timeline(event)

    def _finding(self, event: Dict) -> None:
        seen = self._seen(event, told.finding(event.get("finding")))
        if seen.what.check == temporary.CHECK:
            self._looks[seen.host, f"{seen.what.detail.get(temporary.CHANGE)} {seen.what.detail.get('ref')}"] = seen
        if not self._findings.put(seen, segment=self._segment_of(event), source=source_of(event)):
            self._dropped()
        if seen.what.status != OK:
            self._timeline(event)

    def _skipped_check(self, event: Dict) -> None:
        seen = self._seen(event, told.skipped(event.get("skipped")))
        source = source_of(event)
        epoch = (self._segment_of(event), seen.phase, source[0] if seen.phase == MITIGATE else "")
        if not self._skipped.put((seen.host, seen.what.check), epoch, source, seen):
            self._dropped()

    def _one_series(self, event: Dict) -> None:
        found = told.series(event.get("series"))
        if found is None:
            return
        seen = self._seen(event, found)
        key = (seen.host, seen.target, found.name, found.subject)
        if (earlier := self._series.get(key)) is not None:  # a later look goes on with it
            seen = dataclasses.replace(seen, what=dataclasses.replace(found, points=thinned([*earlier.what.points, *found.points])))
        self._keep_limited(self._series, key, seen)

    def _verdict(self, event: Dict) -> None:
        verdict = event.get("verdict")
        if isinstance(verdict, dict):
            about = {**_select(event, "host", "phase", "task", "seq", "ts"), "item": str(event.get("item", "")),
                     "target": str(event.get("target") or "")}
            self._verdicts.put({**about, **verdict}, source=source_of(event))

    def _place(self, event: Dict) -> None:
        place = _select(event, "place", "host", "phase", "seq", "ts")
        if place.get("phase") == INVESTIGATE:
            self._looked_at[str(place["host"])] = None
        if (key := (str(place["host"]), str(place["place"]))) not in self._places:
            self._keep_limited(self._places, key, place)

    def _action(self, event: Dict) -> None:
        seen = self._seen(event, told.action(event.get("action")))
        key = (seen.host, seen.what.id)
        if seen.what.outcome != PLANNED and not seen.check_mode:
            self._open.pop(key, None)
        if _counts(seen, self._actions.get(key)):
            self._keep_limited(self._actions, key, seen)
        lasting = seen.what.temporary is None and temporary.UNDOES not in seen.what.detail
        # The answer to one that is gone meanwhile says nothing of how it was to end.
        if (not lasting or key in self._changes) and _counts(seen, self._changes.get(key)):
            self._changes[key] = seen
        self._timeline(event)

    def _protect(self, event: Dict) -> None:
        seen = self._seen(event, told.spared(event.get("protected")))
        self._keep_limited(self._protected, (seen.host, repr(seen.what.target)), seen)

    def _plan(self, event: Dict) -> None:
        plan = event.get("plan")
        self._summary.plan = plan if isinstance(plan, dict) else None
        self._timeline(event)

    def _approval(self, event: Dict) -> None:
        self._summary.approval = _body(event) | _select(event, "type", "seq", "ts")
        self._open, self._mute = self._approved_now() if event.get("type") == "plan.approved" else {}, set()
        self._timeline(event)

    def _no_hosts(self, event: Dict) -> None:
        self._append_limited(self._summary.no_hosts, _select(event, "play", "hosts", "phases", "seq", "ts"))
        self._timeline(event)

    def _interrupted(self, event: Dict) -> None:
        self._summary.interrupted = _body(event) | _select(event, "seq", "ts")
        self._timeline(event)

    def _outcome(self, event: Dict) -> None:
        self._summary.outcome = _body(event) | _select(event, "seq", "ts")
        self._timeline(event)

    def _recovered(self, event: Dict) -> None:
        self._append_limited(self._summary.recovered, _body(event) | _select(event, "seq", "ts"))
        self._timeline(event)

    def _degraded(self, event: Dict) -> None:
        self._summary.lost_events += int(event.get("lost", 0))
        self._timeline(event)

    # Help

    def _seen(self, event: Dict, what: told.T) -> Seen[told.T]:
        return Seen(
            what, host=str(event.get("host") or ""), phase=str(event.get("phase") or ""), seq=int(event.get("seq") or 0),
            ts=str(event.get("ts") or ""), check_mode=bool(event.get("check_mode", self._check_mode)), item=str(event.get("item", "")),
            target=str(event.get("target") or ""),
        )

    def _approved_now(self) -> dict[tuple[str, str], Dict]:
        """The actions of the plan that is approved, by host and id."""
        stated = (self._summary.plan or {}).get("actions")
        return {
            (str(host), str(one.get("id") or "")): one for host, found in (stated.items() if isinstance(stated, dict) else ())
            if isinstance(found, list) for one in found if isinstance(one, dict)
        }

    def _unknown_actions(self, intent: Dict) -> list[Dict]:
        """Planned actions of the intent's host that nothing was heard of since; none in check mode, which acts on nothing."""
        if not _may_act(intent):
            return []
        known = {**self._actions, **self._changes}
        return [seen.as_dict() for seen in known.values() if seen.host == intent.get("host") and seen.what.outcome == PLANNED]

    def _intent_key(self, event: Dict) -> tuple[int, str, str]:
        return self._segment_of(event), str(event.get("host", "")), str(event.get("task_id", event.get("task", "")))

    def _segment_of(self, event: Dict) -> int:
        segment = int(event.get("segment", 0))
        return self._continued.get(segment, segment)

    def _timeline(self, event: Dict) -> None:
        kept = {key: value for key, value in event.items() if key not in ("prev", "run", "mono", "args", "result", "plan")}
        if len(self._timeline_head) < MOST_KEPT - MOST_KEPT // 2:
            self._timeline_head.append(kept)
            return
        if len(self._timeline_tail) == self._timeline_tail.maxlen:
            self._dropped()
        self._timeline_tail.append(kept)

    def _append_limited(self, target: list[Dict], value: Dict) -> None:
        if len(target) < MOST_KEPT:
            target.append(value)
        else:
            self._dropped()

    def _keep_limited(self, target: dict[t.Any, t.Any], key: t.Any, value: t.Any) -> None:
        if key in target or len(target) < MOST_KEPT:
            target[key] = value
        else:
            self._dropped()

    def _dropped(self) -> None:
        self._summary.counts["dropped"] = self._summary.counts.get("dropped", 0) + 1


def _counts(seen: Seen[Action], known: Seen[Action] | None) -> bool:
    """Whether an action's word counts beside the one that is known of it.

    Another call that has the same approval may answer too, that the target is gone: what was done stays done.
    """
    overruled = known is not None and known.what.was_touched is True and seen.what.was_touched is False
    return known is None or (seen.what.outcome != PLANNED and not overruled)


def _acts(intent: Dict) -> bool:
    """Whether a task is one that changes something for real: those, and no others, are told what is approved."""
    args = intent.get("args")
    return _may_act(intent) and isinstance(args, dict) and "approved" in args


def _may_act(intent: Dict) -> bool:
    return not intent["check_mode"] and intent.get("phase") in (MITIGATE, "")


def _answers(event: Dict) -> bool:
    """Whether a result says what became of its actions."""
    result = event.get("result")
    return isinstance(result, dict) and result.get("contract") == ACTIONS_CONTRACT


def _data(value: t.Any) -> t.Any:
    if isinstance(value, Seen):
        return value.as_dict()
    if isinstance(value, dict):
        return {key: _data(item) for key, item in value.items()}
    return [_data(item) for item in value] if isinstance(value, list) else value


def _body(event: Dict) -> Dict:
    return {key: value for key, value in event.items() if key not in ("seq", "ts", "mono", "type", "run", "segment", "prev", "self")}


def _select(event: Dict, *keys: str) -> Dict:
    return {key: event.get(key, "" if key == "phase" else None) for key in keys}


def _problems(event: Dict) -> Dict:
    """What a check of the input lists one by one; its message is all of it in a row."""
    result = event.get("result")
    problems = result.get("problems") if isinstance(result, dict) else None
    return {"problems": [str(item) for item in problems]} if isinstance(problems, list) and problems else {}


def message(event: t.Mapping[str, t.Any]) -> str:
    """What a result says; of a module whose answer could not be read (its Python is broken, its disk is full) what the host said too."""
    result = event.get("result")
    if not isinstance(result, dict):
        return ""
    said = str(result.get("msg", ""))
    heard = [
        line.strip() for key in ("module_stderr", "module_stdout") for line in str(result.get(key) or "").splitlines()
        if line.strip() and not line.startswith("Shared connection to ")  # ssh -tt says that of every call
    ]
    if not heard:
        return said
    # Of a traceback the last line names the error, of anything else the first.
    line = heard[-1 if heard[0].startswith("Traceback ") else 0][:MOST_HEARD]
    advice = "If its Python is broken, name another with ansible_python_interpreter."
    return f"{said.rstrip('. ')}. The host said: {line.rstrip('. ')}. {advice}"
