# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing an incident: resolved, closed, sealed, and copied away when that is configured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout

from ..errors import Stop
from ..private import write_private
from ..who import user
from . import changes, model, sealing, signing, times
from .incident import Incident
from .settings import Settings
from .urls import public

#: Makes the report that is sealed with an incident, in Markdown, with events that are not written yet; says how the incident is.
Report = Callable[[Incident, Sequence[model.Event]], tuple[str, model.State]]


@dataclasses.dataclass(frozen=True)
class Closed:
    """How closing went.

    Attributes:
        pushed: where the copy is; `failed` says why there is none although one was wanted.
        unproven: why it was not marked as resolved; empty where it was.
        outlasting: temporary changes that are in force, and end by themselves or may stay.
    """

    sealed: sealing.Sealed
    signers: Sequence[signing.Signer]
    pushed: str
    failed: str
    unproven: str = ""
    outlasting: Sequence[changes.Change] = ()

    @property
    def notes(self) -> list[str]:
        """What could not be done, in words."""
        today = times.now().date()
        lasting = [f"change {one.ref} {one.host}: {one.what}: {changes.say(one, today=today)}" for one in self.outlasting]
        return [*self.sealed.notes, *lasting, *(said for said in (self.unproven, self.failed) if said)]


def close(
    incident: Incident, *, configured: Settings, resolution: str, make_key: bool, sign_keys: Sequence[str] = (), seconds: float = 30.0,
    at: str = "", report: Report | None = None, resolved: bool = True, broken: bool = False, leave: Mapping[str, str] | None = None,
    automatic: bool = False,
) -> Closed:
    """Write that it is over, seal it, and push it where that is configured. A push that fails costs nothing but the copy.

    Args:
        resolved: whether what it was about is over; not when nobody did more than look. It is marked as resolved only where runs measured
            it: each host that one of them did not find well was found well later. Else it is closed, and told that it was not measured.
        make_key: make a key when there is none.
        at: when it was closed, when that is not now.
        report: makes the report that is sealed with it, in Markdown.
        broken: seal although files are not what the chains state of them.
        leave: why temporary changes are left as they are, by their refs.
        automatic: nobody is there to ask: a temporary change that ends by itself does not hold it open, and is told.

    Raises:
        Stop: a temporary change is not known to be gone, a run still goes on, something that an earlier seal covers was changed, a file
            is not what the chains state of it, or a signer's public key cannot be read. Then the incident stays open.
    """
    signers = signing.read(configured.signers(sign_keys, make=make_key))
    with incident.locked():
        when = at or times.text(times.now())
        state = incident.state()
        # All that can fail comes first: an incident that says it is closed must not be left without its seal. And a record that is gone
        # is told before the changes that are in it and cannot be looked at.
        ready = sealing.prepare(incident, state, broken=broken)
        events, outlasting = leaving(incident, leave or {}, doing="closed", at=when, automatic=automatic)
        unproven = _unproven(incident, state) if resolved else ""
        if resolved and not unproven and not state.reached("resolved"):
            events.append((model.MILESTONE, {"name": "resolved", "at": when, "source": "auto"}))
        if not state.closed:
            # Nobody waits for the end of what may stay.
            ending = [change.ref for change in outlasting if not changes.may_stay(change)]
            refs = {"in_force": ending} if ending else {}
            events.append((model.CLOSED, {"resolution": resolution, "at": when, **refs}))
        events = events or [(model.NOTE, {"text": resolution})]
        if report is not None:
            report(incident, [{"type": kind, "seq": 0, "ts": when, "by": user(), **payload} for kind, payload in events])
        incident.append_all(events)
        sealed = _seal(incident, configured=configured, signers=signers, seconds=seconds, report=report, ready=ready)
    pushed, failed = "", ""
    if configured.push_url:
        from . import pushing

        try:
            pushed = pushing.push(incident, configured.push_url, configured=configured).url
        except Stop as stop:
            failed = f"not copied to {public(configured.push_url)}: {stop.message}"
    return Closed(sealed, signers, pushed, failed, unproven, outlasting)


def _unproven(incident: Incident, state: model.State) -> str:
    """Why nobody may conclude from the incident's end that it is resolved; empty where it was measured, or somebody said so."""
    bad = state.not_recovered
    if state.reached("resolved") or (state.measured and not bad):
        return ""
    because = f"the last run did not measure recovery: {model.say_left(bad)}" if bad else "no run measured that it is over"
    return (
        f"not marked as resolved, since {because}. "
        f"If it is over, say since when: incident milestone {incident.id} resolved --at TIME, then incident seal {incident.id}"
    )


def leaving(
    incident: Incident, leave: Mapping[str, str], *, doing: str, at: str, automatic: bool = False,
) -> tuple[list[tuple[str, Mapping[str, Any]]], Sequence[changes.Change]]:
    """The events that say which temporary changes are left as they are, and the changes that hold nothing back.

    Args:
        leave: why, by what somebody typed for the change.
        doing: what the incident is to be.
        automatic: whether those that end by themselves hold nothing back. Those that may stay never do.

    Raises:
        Stop: another one is in force or not known to be gone, or there is none of that name.
    """
    state = incident.state()
    known = changes.of(incident, state=state)
    named = {change.ref: (change, why) for typed, why in leave.items() for change in changes.chosen(changes.still(known), [typed])}
    there = changes.still(known, left=[*state.left, *named])
    outlasting = [change for change in there if changes.may_stay(change) or (automatic and changes.ends_by_itself(change))]
    holding = [change for change in there if change not in outlasting]
    if holding:
        raise changes.refusal(incident.id, holding, doing=doing)
    return [
        (model.LEFT, {"change": change.ref, "what": change.what, "host": change.host, "record": change.run, "why": why, "at": at})
        for change, why in named.values()
    ], outlasting


def seal(
    incident: Incident, *, configured: Settings, sign_keys: Sequence[str] = (), make_key: bool = True, seconds: float = 30.0,
    report: Report | None = None, broken: bool = False,
) -> tuple[sealing.Sealed, Sequence[signing.Signer]]:
    """Seal with what is configured; who signed. This store learns its own signers' keys.

    Args:
        report: makes the report as the incident is now; each seal has its own, `data/report/incident-NNNN.md`.
        broken: seal although files are not what the chains state of them.
    """
    signers = signing.read(configured.signers(sign_keys, make=make_key))
    with incident.locked():
        ready = sealing.prepare(incident, incident.state(), broken=broken)
        return _seal(incident, configured=configured, signers=signers, seconds=seconds, report=report, ready=ready), signers


def _seal(
    incident: Incident, *, configured: Settings, signers: Sequence[signing.Signer], seconds: float, report: Report | None,
    ready: sealing.Ready,
) -> sealing.Sealed:
    """The report and the seal over it. The lock is held all the time: what the report read is what is sealed."""
    state = None
    if report is not None:
        layout.make_private(incident.data / "report")
        text, state = report(incident, ())
        path = write_private(incident.data / "report" / f"incident-{ready.number:04d}.md", text)
        ready = ready.without(path.relative_to(incident.bundle).as_posix())
    sealed = sealing.seal(incident, signers=signers, authority=configured.authority, seconds=seconds, state=state, ready=ready)
    for signer in signers:
        if signer.identity in sealed.signed:
            signing.remember(configured.home, signer)
    return sealed
