# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a scenario and its incident: the one it was given, or one of its own."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..errors import Stop
from ..record import outcome
from ..record.outcome import Outcome
from . import changes, checkpoints, closing, collecting, model, policy, settings, sources, times
from .incident import Incident
from .store import Store

#: Seconds between two checkpoints while a run goes on.
EVERY = 30.0
#: Seconds that the end of a run waits for others: sealing much takes a while, and the end must not be lost.
_PATIENCE = 600.0
#: After these nothing is left to do, so that an incident that a run opened for itself is closed with it.
_DONE = model.MEASURED_GOOD | model.ONLY_LOOKED
#: Milestones of all that the incident's runs were about, not of one run's hosts alone.
_OF_ALL = frozenset({"mitigated", "verified"})


class Membership:
    """A run that belongs to an incident.

    Attributes:
        incident: which.
        own: the run opened it.
    """

    def __init__(self, incident: Incident, *, own: bool, run: str, run_dir: Path, configured: settings.Settings) -> None:
        self.incident = incident
        self.own = own
        self._run = run
        self._run_dir = run_dir
        self._settings = configured
        signers = configured.signers([], make=False)
        self._signer = signers[0] if signers else None
        self._next = time.monotonic() + EVERY

    @classmethod
    def begin(
        cls, *, home: Path, given: str | None, scenario: str, playbook: str, run: str, run_dir: Path, about: str, collection: Path,
        versions: Mapping[str, str], cwd: Path, at: datetime.datetime | None = None,
    ) -> Membership:
        """Find the incident, or open one, and write that the run begins.

        Args:
            about: what the run is limited to, for the title of its own incident.
            at: when the run began; now without it.

        Raises:
            Stop: there is no such incident, or it is closed.
            CannotRecord: it cannot be written.
        """
        configured = settings.load(home)
        if given:
            incident = existing(home, given)
        else:
            rules = policy.load(configured.policy)
            title = f"{scenario}{f' ({about})' if about else ''}"
            incident = Store(home).open(title=title, severity=rules.default, policy=rules, at=at, how="run")
        membership = cls(incident, own=not given, run=run, run_dir=run_dir, configured=configured)
        state, now = incident.state(), times.text(at or times.now())
        source = sources.keep(incident, playbook=playbook, collection=collection, versions=versions, project=cwd)
        events: list[tuple[str, Mapping[str, Any]]] = []
        if "acknowledged" not in state.milestones:
            events.append((model.MILESTONE, {"name": "acknowledged", "at": now, "source": "auto"}))
        events.append((model.RUN_STARTED, {
            "record": run, "scenario": scenario, "at": now, "source": "wrapper", "pid": os.getpid(), "controller": os.uname().nodename,
            "ran": source,
        }))
        incident.append_all(events)
        return membership

    def tick(self) -> None:
        """Take a checkpoint of the record when it is time for one; called several times a second, and raises nothing."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        try:
            # Whoever holds the incident now: the next one will do; a Ctrl-C must not wait.
            taken = checkpoints.of_run(self.incident, self._run, self._run_dir, self._signer, seconds=0.2)
            if taken is not None and not taken.with_name(taken.name + ".sig").exists():
                self._signer = None  # a key that has to ask would hold up the run every time
        except Exception:
            # The record itself is what counts; without this checkpoint a cut is noticed at the next one.
            return

    def end(self, ended: Outcome, summary: Summary) -> list[str]:
        """Write how the run ended, take its record into the bag, and close the run's own incident when nothing is left to do.

        Returns:
            What could not be done, in words.
        """
        incident, now = self.incident, times.text(times.now())
        events: list[tuple[str, Mapping[str, Any]]] = []
        end = {
            "record": self._run, "outcome": ended.name, "exit_status": int(ended.status), "at": now, "sentence": ended.sentence,
            "hosts": outcome.by_health(ended.name, summary, not_measured=ended.not_measured),
        }
        state = incident.state()
        # What was said of a limited run, or before it came back, is not the incident's: the later measurement is.
        known = {name for name, one in state.milestones.items() if one.source != "auto" or state.reached(name) is not None}
        model.add(state, {"type": model.RUN_ENDED, **end})
        found, left = _milestones(ended, summary), state.not_recovered
        held = _OF_ALL & set(found) if left else frozenset()
        notes = [f"not marked as mitigated or verified, since it was not measured of all: {model.say_left(left)}"] if held - known else []
        for name, at in found.items():
            if name not in known and name not in held:
                events.append((model.MILESTONE, {"name": name, "at": at, "source": "auto", "run_record": self._run}))
        events.append((model.RUN_ENDED, end))
        with incident.locked(seconds=_PATIENCE):
            incident.append_all(events)
            checkpoints.of_run(incident, self._run, self._run_dir, self._signer)
            collecting.collect(incident, self._run, self._run_dir)
            incident.custody("collected", {"record": self._run})
            checkpoints.of_events(incident, self._signer)
            if self.own and ended.name in _DONE:
                try:
                    notes += closing.close(
                        incident, configured=self._settings, resolution=ended.sentence, make_key=False, seconds=5.0,
                        resolved=ended.name not in model.ONLY_LOOKED, automatic=True,
                    ).notes
                except changes.StillThere as refused:
                    notes.append(f"{refused.message} {refused.hint}")
        return notes


def check(home: Path, given: str | None) -> None:
    """What a run's incident needs, before anything begins.

    Raises:
        Stop: the incident is not there or closed, or the store's configuration or policy is not usable.
    """
    configured = settings.load(home)
    if given:
        existing(home, given)
    else:
        policy.load(configured.policy)


def existing(home: Path, given: str) -> Incident:
    """The incident that a run was given.

    Raises:
        Stop: there is none, or it is closed.
    """
    incident = Store(home).find(given)
    if incident.state().closed:
        hint = f"incident reopen {incident.id} opens it again; without --incident the run opens its own."
        raise Stop(f"{incident.id} is closed.", hint=hint)
    return incident


def _milestones(ended: Outcome, summary: Summary) -> dict[str, str]:
    """What a run's record says of the incident: when it first acted, when it last did and it helped, when that was measured."""
    acted = [seen.ts for seen in outcome.carried_out(summary) if seen.what.was_touched is not False]
    found = {"mitigation_start": min(acted)} if acted else {}
    if ended.name == "recovered":
        measured = [seen.ts for seen in summary.after.values()]
        found["mitigated"] = max(acted) if acted else summary.ended
        found["verified"] = max(measured) if measured else summary.ended
    return found
