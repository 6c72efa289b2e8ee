# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates of a host are renewed now, and what is done about renewals that nobody finished.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._core import why
from ..._core.acting import Candidate, Sight
from ..._core.actions import REFUSED, Action
from ..._core.limits import Budget
from ..._core.recorded import Basis
from .model import Cert, iso
from .renewal import RENEW, SETTLE, Lineage, problems, why_due

MODULE = "cert_renew"
LIMIT = "max_renewals"
NOTHING_NEW = "no new certificate was there yet"


@dataclasses.dataclass(frozen=True)
class Earlier:
    """A renewal of an earlier run that nobody finished.

    Attributes:
        directory: what the run kept of it.
        began: when, seconds since the epoch.
        at_work: somebody still renews it; nothing else is known then.
        before: the certificates of its backup, the leaf first.
        key_problem: why the key that is there does not belong to the certificate that is there.
    """

    directory: str
    began: float
    at_work: bool = False
    before: tuple[Cert, ...] = ()
    key_problem: str = ""


@dataclasses.dataclass(frozen=True)
class Held:
    """One certificate of the host.

    Attributes:
        lineage: what is known of it.
        present: what its file holds, the leaf first.
        failures: how many renewals failed recently.
        earlier: a renewal that nobody finished.
    """

    lineage: Lineage
    present: tuple[Cert, ...] = ()
    failures: int = 0
    earlier: t.Optional[Earlier] = None


@dataclasses.dataclass(frozen=True)
class Patience:
    """So many renewals may fail within so many seconds, and a certificate is left alone: authorities limit them."""

    max_failures: int
    window: float

    @property
    def over(self) -> str:
        """What to say where it is over."""
        return f"{self.max_failures} attempts failed within {self.window / 60:g} minutes, and authorities limit them"


@dataclasses.dataclass(frozen=True)
class Job:
    """One certificate to renew, or an earlier renewal to settle: what was there, and whether it is the latter."""

    lineage: Lineage
    present: tuple[Cert, ...]
    settles: bool = False


def sight(certificates: tuple[Held, ...], resource: str, now: datetime.datetime, budget: Budget, patience: Patience) -> Sight[Job]:
    """What is due, and what earlier runs left.

    Args:
        resource: the host.
    """
    candidates = [
        Candidate(job, action, uses={LIMIT: int(not job.settles)})
        for one in certificates for job, action in _jobs(one, resource=resource, now=now, patience=patience)
    ]
    due = sum(not one.target.settles for one in candidates)
    return Sight(candidates, limits=(budget.limit(due, name=LIMIT),), basis=Basis(MODULE, {
        "certificates": tuple(_for_the_record(one) for one in certificates), "resource": resource, "now": now, "budget": budget,
        "patience": patience,
    }))


def _jobs(one: Held, *, resource: str, now: datetime.datetime, patience: Patience) -> t.Iterator[tuple[Job, Action]]:
    present, earlier = one.present, one.earlier
    if earlier is not None:
        keeps = not earlier.at_work and _kept(one.lineage, earlier, present, now=now)
        unchanged = not earlier.at_work and as_before(earlier.before, present, key_problem=earlier.key_problem)
        left = (
            "it still runs." if earlier.at_work else "it left the certificate as it was." if unchanged
            else f"what it left is {'usable and kept' if keeps else 'put back'}."
        )
        began = iso(datetime.datetime.fromtimestamp(earlier.began, tz=datetime.timezone.utc))
        reason = f"A renewal that began {began} was never finished: {left}"
        yield Job(one.lineage, present, settles=True), action_for(
            SETTLE, one.lineage, present, resource=resource, reason=reason, attempt=earlier.directory,
        )
        if earlier.at_work:
            return
        if not keeps:
            present = earlier.before
    reason = why_due(one.lineage, present, now=now)
    if reason:
        action = action_for(RENEW, one.lineage, present, resource=resource, reason=reason)
        if one.failures >= patience.max_failures:
            action = action.with_outcome(
                REFUSED, why=why.LIMIT_EXCEEDED, hint="Find out why before it is tried again, or raise max_failures.", error=patience.over,
            )
        yield Job(one.lineage, present), action


def _kept(lineage: Lineage, earlier: Earlier, present: t.Sequence[Cert], *, now: datetime.datetime) -> bool:
    """Whether what an earlier renewal left may stay."""
    if as_before(earlier.before, present, key_problem=earlier.key_problem):
        return True
    return not rejected(lineage, before=earlier.before, present=present, key_problem=earlier.key_problem, now=now)


def as_before(before: t.Sequence[Cert], present: t.Sequence[Cert], *, key_problem: str) -> bool:
    """Whether the certificate is the one that was backed up, and the key that is there belongs to it."""
    return bool(before and present) and identity_of(before) == identity_of(present) and not key_problem


def rejected(
    lineage: Lineage, *, before: t.Sequence[Cert], present: t.Sequence[Cert], key_problem: str, now: datetime.datetime,
) -> list[str]:
    """Why what an unfinished renewal left must not be served; empty when it may."""
    if before and present and identity_of(before) == identity_of(present):
        # Nothing new, or something half done: what was there is the better half.
        return [NOTHING_NEW]
    return problems(lineage, before=before, after=present, key_problem=key_problem, now=now)


def action_for(
    verb: str, lineage: Lineage, present: t.Sequence[Cert], *, resource: str, reason: str, attempt: str = "",
) -> Action:
    """Renewing a certificate, or settling an earlier attempt to."""
    identity = {"name": lineage.name, "certificate": identity_of(present), **({"attempt": attempt} if attempt else {})}
    target = {
        "name": lineage.name, "file": lineage.certificate, **(facts_of(present[0]) if present else {}),
        "names": list(lineage.wanted_names(present)),
    }
    return Action(verb=verb, resource=resource, identity=identity, target=target, reason=reason, name=f"certificate {lineage.name}")


def identity_of(present: t.Sequence[Cert]) -> str:
    """Which certificate a file holds."""
    return present[0].fingerprint if present else "none"


def facts_of(cert: Cert) -> dict[str, t.Any]:
    """A certificate in results."""
    return {"serial": cert.serial, "fingerprint_sha256": cert.fingerprint, "not_after": iso(cert.not_after)}


def _for_the_record(one: Held) -> Held:
    """The same without what decides nothing: of a certificate without an earlier renewal the leaf alone, and not who issued it."""
    if one.earlier is not None or not one.present:
        return one
    leaf = one.present[0]
    return dataclasses.replace(one, present=(Cert(
        subject="", issuer="", subject_id="", issuer_id="", serial=leaf.serial, fingerprint=leaf.fingerprint, not_before=leaf.not_before,
        not_after=leaf.not_after, dns_names=leaf.dns_names, ip_addresses=leaf.ip_addresses,
    ),))
