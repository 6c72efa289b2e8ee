# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of cert_expiry: the verdict over all targets, what to do, what expires next, and the table.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._core import judging
from ..._core.findings import COULD_NOT_LOOK, CRITICAL, NOT_APPLICABLE, OK, STATUSES, UNKNOWN, Finding, Skipped
from ..._core.recorded import Basis
from ..._core.words import few
from .model import Cert, Seen, iso
from .targets import Terms
from .time import DAY
from .verdict import ABSENT, CHECKS, LEAF, NO_TARGET, ROOT, Judged, Skew, compare_pair, expect, judge, needed, position

RENEW, RELOAD, FIX_CHAIN, FIX_NAME, FIX_CLOCK, REPLACE_CA = "renew", "reload", "fix_chain", "fix_name", "fix_clock", "replace_ca"
FIX_TLS = "fix_tls"
#: What is done first where several things are wrong: nothing can be judged with a wrong clock, and a reload is the cheapest.
ORDER = (FIX_CLOCK, RELOAD, FIX_TLS, RENEW, FIX_NAME, FIX_CHAIN, REPLACE_CA)
_BY_CHECK = {
    "clock_skew": FIX_CLOCK, "not_yet_valid": FIX_CLOCK, "stale_in_memory": RELOAD, "revoked": RENEW, "weak_key": RENEW,
    "weak_signature": RENEW, "too_long_lived": RENEW, "renew_advised": RENEW, "name_mismatch": FIX_NAME, "incomplete_chain": FIX_CHAIN,
    "untrusted": REPLACE_CA, "self_signed": REPLACE_CA, "unusable": FIX_TLS,
}
_SHOWN = 5
_ROWS = 500


@dataclasses.dataclass(frozen=True)
class Group:
    """What was seen where one thing was looked at, and by what it is judged. `names`: that its certificates must be for."""

    terms: Terms
    names: tuple[str, ...]
    seen: tuple[Seen, ...]


def decide(
    groups: t.Sequence[Group], pairs: t.Sequence[tuple[int, str]], *, skew: Skew, now: datetime.datetime,
    asked: t.Optional[t.Sequence[str]],
) -> judging.Judged:
    """The verdict of a look at all targets.

    Args:
        pairs: where in the groups an endpoint has its file after it, and what makes the server read it again.
        skew: from which difference of clocks on it is a finding.
        asked: see report().
    """
    judged = [[judge(one, group.terms, names=group.names, now=now, skew=skew) for one in group.seen] for group in groups]
    for index, reload in pairs:
        file = judged[index + 1][0]
        for one in _of_its_key_type(judged[index], file):
            compare_pair(one, file, reload=reload, now=now)
    everything = [one for found in judged for one in found]
    for found in judged:
        for one, beside in _with_others(found):
            expect(one, beside=[other.seen.leaf for other in beside if other.seen.leaf is not None])
    basis = Basis("cert_expiry", {"groups": groups, "pairs": pairs, "skew": skew, "now": now, "asked": asked})
    return dataclasses.replace(report(everything, now=now, asked=asked), basis=basis)


def _with_others(judged: t.Sequence[Judged]) -> t.Iterator[tuple[Judged, list[Judged]]]:
    """Each target of a group, with what it serves to clients that take another key type only."""
    for one in judged:
        if not one.seen.beside:
            yield one, [other for other in judged if other.seen.beside == one.seen.target]


def _of_its_key_type(judged: t.Sequence[Judged], file: Judged) -> t.Iterator[Judged]:
    """Of each server the certificate that has the file's key type; the one that it serves by default where none has."""
    stored = file.seen.leaf
    for one, beside in _with_others(judged):
        same = (other for other in (one, *beside) if stored and other.seen.leaf and other.seen.leaf.asked_as == stored.asked_as)
        yield next(same, one)


def report(judged: t.Sequence[Judged], *, now: datetime.datetime, asked: t.Optional[t.Sequence[str]] = None) -> judging.Judged:
    """The verdict of a look at all targets, and what the result has beside it.

    Args:
        asked: the checks that must be answered; None: all that a target is judged by.
    """
    findings = [finding for one in judged for finding in one.findings]
    skipped = _skipped(judged)
    told = {finding.check for finding in findings}
    for check in CHECKS:
        count = sum(1 for one in judged if check in one.checks)
        if count and check not in told:
            findings.append(Finding(check=check, status=OK, observed=count, unit="targets"))
    known = {finding.check for finding in findings} | {item.check for item in skipped}
    skipped += [Skipped(check, NO_TARGET, kind=NOT_APPLICABLE) for check in asked or () if check not in known]
    findings.sort(key=lambda one: (-STATUSES.index(one.status), CHECKS.index(one.check) if one.check in CHECKS else 99, one.subject))
    certificates = [describe(one, now=now) for one in judged]
    certificates.sort(key=lambda one: (one["days_left"] is None, one["days_left"] or 0.0, one["target"]))
    return judging.Judged(judging.judge_look(findings, skipped, asked=asked), {
        "recovery": _overall(judged),
        "next_expiry": _next(judged, now),
        "certificates": certificates,
        "table": _table(certificates),
    })


def describe(one: Judged, *, now: datetime.datetime) -> dict[str, t.Any]:
    """One target in the result. Dates are there whenever there is a certificate, verified or not."""
    seen, leaf, trust = one.seen, one.seen.leaf, one.seen.trust
    problem = seen.trouble.reason if seen.trouble else ""
    about: dict[str, t.Any] = {
        "target": seen.target, "kind": seen.kind, "address": seen.address, "status": one.status, "recovery": recovery_of(one),
        "problems": [finding.check for finding in one.findings], "reason": problem, "renewal": one.terms.renewal,
        "verified": trust.verified, "verify_reason": trust.reason, "chain_complete_view": seen.whole, "protocol": seen.protocol,
        "seconds": seen.seconds, "key_types": [dataclasses.asdict(answer) for answer in seen.key_types],
        "earliest_not_after": _earliest(seen.chain), "verified_not_after": _earliest(trust.chain) if trust.verified else None,
        "chain": [_element(cert, index, now) for index, cert in enumerate(seen.chain)],
    }
    if leaf is None:
        empty = ("subject", "issuer", "serial", "fingerprint_sha256", "not_before", "not_after", "days_left", "percent_left", "key_type",
                 "key_bits", "signature_hash")
        return {**about, **dict.fromkeys(empty), "san": []}
    return {**about, **_facts(leaf, now), "san": [*leaf.dns_names, *leaf.ip_addresses, *leaf.other_names]}


def recovery_of(one: Judged) -> str:
    """What to do about a target; "" where there is nothing, or nothing that this module knows."""
    codes = [code for code in (_code(finding, one.seen) for finding in one.findings) if code]
    return min(codes, key=ORDER.index, default="")


def _code(finding: Finding, seen: Seen) -> str:
    if finding.status == UNKNOWN:
        return ""
    if finding.check in ("expired", "expiring"):
        where = finding.detail.get("position", LEAF)
        return RENEW if where == LEAF else REPLACE_CA if where == ROOT else FIX_CHAIN
    if finding.check == "stale_in_memory" and not finding.detail.get("file_is_newer", True):
        return ""
    if finding.check == "not_yet_valid" and seen.skew is not None and abs(seen.skew) < 60:
        # The clocks agree: it is the certificate that is early.
        return RENEW
    return _BY_CHECK.get(finding.check, "")


def _overall(judged: t.Sequence[Judged]) -> str:
    """Of the targets that are worst, what to do first."""
    found = [(one.status, recovery_of(one)) for one in judged]
    for status in (CRITICAL, UNKNOWN, STATUSES[1]):
        codes = [code for state, code in found if state == status and code]
        if codes:
            return min(codes, key=ORDER.index)
    return ""


def _facts(cert: Cert, now: datetime.datetime) -> dict[str, t.Any]:
    return {
        "subject": cert.subject, "issuer": cert.issuer, "serial": cert.serial, "fingerprint_sha256": cert.fingerprint,
        "not_before": iso(cert.not_before), "not_after": iso(cert.not_after), "days_left": round(cert.left(now) / DAY, 2),
        "percent_left": round(cert.percent_left(now), 1), "key_type": cert.key_type, "key_bits": cert.key_bits,
        "signature_hash": cert.signature_hash,
    }


def _element(cert: Cert, index: int, now: datetime.datetime) -> dict[str, t.Any]:
    return {"position": position(index, cert), **_facts(cert, now)}


def _earliest(chain: t.Sequence[Cert]) -> t.Optional[str]:
    return iso(min(cert.not_after for cert in chain)) if chain else None


def _next(judged: t.Sequence[Judged], now: datetime.datetime) -> t.Optional[dict[str, t.Any]]:
    """What expires next, of everything that counts and has not expired yet."""
    coming = [
        (cert.not_after, one.seen.target, where, cert) for one in judged for where, cert in needed(one.seen) if cert.not_after > now
    ]
    if not coming:
        return None
    not_after, target, where, cert = min(coming, key=lambda item: item[:3])
    return {"target": target, "position": where, "subject": cert.subject, "serial": cert.serial, "not_after": iso(not_after),
            "days_left": round(cert.left(now) / DAY, 2)}


def _skipped(judged: t.Sequence[Judged]) -> list[Skipped]:
    """One entry for each check and reason, however many targets it concerns."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in judged:
        for note in one.skipped:
            found.setdefault(note, []).append(one.seen.target)
    return [
        Skipped(check, f"{reason} ({few(targets, most=_SHOWN)})", hint, NOT_APPLICABLE if reason in ABSENT else COULD_NOT_LOOK)
        for (check, reason, hint), targets in sorted(found.items(), key=lambda item: item[0])
    ]


def _table(certificates: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Markdown, what expires first at the top, what shows no certificate at the end."""
    rows = [["target", "status", "days left", "expires", "issuer", "problems", "recovery"]]
    rows.append(["---", "---", "---:", "---", "---", "---", "---"])
    for one in certificates[:_ROWS]:
        left = "" if one["days_left"] is None else f"{one['days_left']:.1f}"
        rows.append([
            one["target"], one["status"], left, one["not_after"] or "", one["issuer"] or one["reason"], ", ".join(one["problems"]),
            one["recovery"],
        ])
    lines = ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    if len(certificates) > _ROWS:
        lines.append(f"\n{len(certificates) - _ROWS} more are not shown.")
    return "\n".join(lines)


def _cell(text: t.Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")[:120]
