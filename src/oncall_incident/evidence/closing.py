# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing an incident: resolved, closed, sealed, and copied away when that is configured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import Stop
from ..private import write_private
from . import model, sealing, signing, times
from .incident import Incident
from .settings import Settings
from .urls import public

#: Makes the report that is sealed with an incident, in Markdown, and says how the incident is.
Report = Callable[[Incident], tuple[str, model.State]]


@dataclasses.dataclass(frozen=True)
class Closed:
    """How closing went. `pushed` is where the copy is; `failed` says why there is none although one was wanted."""

    sealed: sealing.Sealed
    signers: Sequence[signing.Signer]
    pushed: str
    failed: str

    @property
    def notes(self) -> list[str]:
        """What could not be done, in words."""
        return [*self.sealed.notes, *([self.failed] if self.failed else [])]


def close(
    incident: Incident, *, configured: Settings, resolution: str, make_key: bool, sign_keys: Sequence[str] = (), seconds: float = 30.0,
    at: str = "", report: Report | None = None, resolved: bool = True,
) -> Closed:
    """Write that it is over, seal it, and push it where that is configured. A push that fails costs nothing but the copy.

    Args:
        resolved: whether what it was about is over; not when nobody did more than look.
        make_key: make a key when there is none.
        at: when it was closed, when that is not now.
        report: makes the report that is sealed with it, in Markdown.

    Raises:
        Stop: a run still goes on, or something that an earlier seal covers was changed.
    """
    with incident.locked():
        when = at or times.text(times.now())
        events: list[tuple[str, Mapping[str, Any]]] = []
        state = incident.state()
        if resolved and "resolved" not in state.milestones:
            events.append((model.MILESTONE, {"name": "resolved", "at": when, "source": "auto"}))
        if not state.closed:
            events.append((model.CLOSED, {"resolution": resolution, "at": when}))
        incident.append_all(events or [(model.NOTE, {"text": resolution})])
        sealed, signers = seal(incident, configured=configured, sign_keys=sign_keys, make_key=make_key, seconds=seconds, report=report)
    pushed, failed = "", ""
    if configured.push_url:
        from . import pushing

        try:
            pushed = pushing.push(incident, configured.push_url, configured=configured).url
        except Stop as stop:
            failed = f"not copied to {public(configured.push_url)}: {stop.message}"
    return Closed(sealed, signers, pushed, failed)


def seal(
    incident: Incident, *, configured: Settings, sign_keys: Sequence[str] = (), make_key: bool = True, seconds: float = 30.0,
    report: Report | None = None,
) -> tuple[sealing.Sealed, Sequence[signing.Signer]]:
    """Seal with what is configured; who signed. This store learns its own signers' keys.

    Args:
        report: makes the report as the incident is now; each seal has its own, `data/report/incident-NNNN.md`.
    """
    signers = configured.signers(sign_keys, make=make_key)
    state = None
    # Held all the time: what the report read is what is sealed.
    with incident.locked():
        if report is not None:
            number = len(sealing.seals(incident.bundle)) + 1
            (incident.data / "report").mkdir(mode=0o700, exist_ok=True)
            text, state = report(incident)
            write_private(incident.data / "report" / f"incident-{number:04d}.md", text)
        sealed = sealing.seal(incident, signers=signers, authority=configured.authority, seconds=seconds, state=state)
    for signer in signers:
        if signer.identity in sealed.signed:
            signing.remember(configured.home, signer)
    return sealed, signers
