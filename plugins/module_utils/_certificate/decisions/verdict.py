# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with what was seen at a target.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding
from .model import ENDPOINT, Cert, Seen, iso, path_up
from .names import missing
from .targets import Terms
from .time import DAY, is_public, too_long

CHECKS = (
    "expired", "expiring", "not_yet_valid", "incomplete_chain", "name_mismatch", "untrusted", "self_signed", "weak_key",
    "weak_signature", "revoked", "unreadable", "unreachable", "unusable", "clock_skew", "stale_in_memory", "too_long_lived",
    "renew_advised",
)
#: Why a check does not apply: reasons of what was skipped.
NO_TARGET = "no target is judged by it"
ABSENT = (NO_TARGET,)
#: What nobody can know of a target that shows no certificate.
OF_CERTIFICATE = ("expired", "expiring", "not_yet_valid", "weak_key", "weak_signature")
OF_TRUST = ("incomplete_chain", "untrusted", "self_signed")

#: Codes of X509_verify_cert, openssl-verification-options(1) and x509_vfy.h.
NO_ISSUER = (2, 20, 21)
NOT_YET, EXPIRED, SELF_SIGNED_LEAF = 9, 10, 18
WEAK_LEAF_KEY, WEAK_CA_KEY, WEAK_HASH = 66, 67, 68
_MIN_BITS = {"rsa": 2048, "ec": 224, "dsa": 1 << 20}
_BROKEN_BITS = {"rsa": 1024, "ec": 160, "dsa": 2048}
_WEAK_HASHES = {"md2": CRITICAL, "md4": CRITICAL, "md5": CRITICAL, "sha1": WARNING}
LEAF, INTERMEDIATE, ROOT = "leaf", "intermediate", "root"


@dataclasses.dataclass(frozen=True)
class Skew:
    """From which difference of clocks on it is a finding, seconds."""

    warning: float = 60.0
    critical: float = 600.0


@dataclasses.dataclass
class Judged:
    """What came of judging one target.

    Attributes:
        findings: what is not ok.
        checks: the checks that could be judged, whatever came of them.
        skipped: (check, reason, hint) of those that could not.
    """

    seen: Seen
    terms: Terms
    findings: list[Finding] = dataclasses.field(default_factory=list)
    checks: set[str] = dataclasses.field(default_factory=set)
    skipped: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def add(self, check: str, status: str, **said: t.Any) -> None:
        """A finding about the target."""
        self.findings.append(Finding(check=check, status=status, subject=self.seen.target, **said))

    @property
    def status(self) -> str:
        """The worst status of its findings."""
        order = (OK, WARNING, UNKNOWN, CRITICAL)
        return max((finding.status for finding in self.findings), key=order.index, default=OK)


def judge(seen: Seen, terms: Terms, *, names: t.Sequence[str], now: datetime.datetime, skew: Skew) -> Judged:
    """Judge one target by its terms.

    Args:
        names: that the certificate must be for; empty where nobody said so.
        now: UTC.
    """
    found = Judged(seen, terms)
    found.skipped.extend(seen.notes)
    place = "unreachable" if seen.kind == ENDPOINT else "unreadable"
    found.checks.add(place)
    if seen.trouble is not None:
        trouble = seen.trouble
        found.checks.add(trouble.kind)
        status = UNKNOWN if trouble.blind else CRITICAL
        found.add(trouble.kind, status, observed=trouble.reason, hint=trouble.hint or _TROUBLE[trouble.kind])
        if trouble.unusable:
            found.checks.add("unusable")
            found.add("unusable", CRITICAL, observed=trouble.reason, hint=_UNUSABLE)
        lost = (*OF_CERTIFICATE, *(OF_TRUST if seen.kind == ENDPOINT else ()), *(("name_mismatch",) if names else ()))
        found.skipped.extend((check, "no certificate was seen", "See the finding of the target.") for check in lost)
    if seen.passed_over:
        found.add("unreadable", WARNING, observed=seen.passed_over, threshold=0, unit="certificates",
                  hint="Servers pass over a part of this file: each BEGIN line must stand alone at the beginning of a line, and only the "
                       "first certificate may be a trusted one.")
    leaf = seen.leaf
    if leaf is None:
        return found
    _judge_dates(found, now)
    _judge_trust(found, leaf)
    _judge_strength(found)
    _judge_leaf(found, leaf, names=names, now=now)
    if seen.skew is not None:
        _judge_skew(found, seen.skew, skew)
    return found


_TROUBLE = {
    "unreachable": "See whether the server runs and listens there, and whether something is in between.",
    "unreadable": "A server that reads it at its next start would not come up: put a good file there.",
}


_UNUSABLE = "A client with default settings cannot connect: see which versions of TLS and which ciphers the server offers."


def needed(seen: Seen) -> tuple[tuple[str, Cert], ...]:
    """The certificates that count, each with its position: the chain that verified, else the leaf and those that issued it.

    A served root that did not verify is none of them: clients bring their own.
    """
    path = seen.trust.chain or path_up(seen.chain)
    if not seen.trust.chain and seen.trust.code != EXPIRED:
        path = tuple(cert for index, cert in enumerate(path) if index == 0 or not cert.self_issued)
    return tuple((position(index, cert), cert) for index, cert in enumerate(path))


def position(index: int, cert: Cert) -> str:
    """What a certificate is in a chain."""
    return LEAF if index == 0 else ROOT if cert.self_issued else INTERMEDIATE


def _about(where: str, cert: Cert) -> dict[str, t.Any]:
    return {"position": where, "certificate": cert.subject, "serial": cert.serial, "not_before": iso(cert.not_before),
            "not_after": iso(cert.not_after)}


def _judge_dates(found: Judged, now: datetime.datetime) -> None:
    seen, thresholds = found.seen, found.terms.thresholds
    found.checks.update(("expired", "expiring", "not_yet_valid"))
    expired, expiring, early = [], [], []
    for where, cert in needed(seen):
        left = cert.left(now)
        if left < 0:
            expired.append((left, where, cert))
        elif cert.not_before > now:
            early.append(((now - cert.not_before).total_seconds(), where, cert))
        else:
            status, threshold = thresholds.judge(left=left, lifetime=cert.lifetime)
            if status != OK:
                expiring.append((status != CRITICAL, left, threshold, where, cert, status))
    if expired:
        left, where, cert = min(expired, key=lambda item: item[:2])
        found.add("expired", CRITICAL, observed=_days(left), threshold=0, unit="days", hint=_renewal(where, cert),
                  detail=_about(where, cert))
    elif seen.trust.verified is False and seen.trust.code == EXPIRED and not expired:
        found.add("expired", CRITICAL, observed=seen.trust.reason, hint=_EXPIRED[ROOT], detail={"position": ROOT})
    if early:
        age, where, cert = min(early, key=lambda item: item[:2])
        found.add("not_yet_valid", CRITICAL, observed=_days(age), threshold=0, unit="days",
                  hint="Its validity begins in the future: the clock of this host or of the CA is wrong, or it was put in place too early.",
                  detail=_about(where, cert))
    if expiring:
        _better, left, threshold, where, cert, status = min(expiring, key=lambda item: item[:4])
        found.add("expiring", status, observed=_days(left), threshold=_days(threshold), unit="days", hint=_renewal(where, cert),
                  detail={**_about(where, cert), "percent_left": round(cert.percent_left(now), 1), "lifetime_days": _days(cert.lifetime)})


_EXPIRED = {
    LEAF: "Renew it.",
    INTERMEDIATE: "Serve the intermediate that the CA issues with now; a new certificate often comes with it.",
    ROOT: "Trust the CA's new root, here and on the clients.",
}


def _renewal(where: str, cert: Cert) -> str:
    """What to do about a certificate that runs out; one that is not the target's own is named."""
    return _EXPIRED[where] if where == LEAF else f"{_EXPIRED[where]} It is {cert.subject}."


def _days(seconds: float) -> float:
    return round(seconds / DAY, 2)


def _judge_trust(found: Judged, leaf: Cert) -> None:
    seen, trust = found.seen, found.seen.trust
    if seen.kind == ENDPOINT and (trust.unusable or trust.verified is not None):
        found.checks.add("unusable")
    if trust.unusable:
        found.add("unusable", CRITICAL, observed=trust.reason, detail={"protocol": seen.protocol}, hint=_UNUSABLE)
    if trust.verified is None:
        if trust.hint:
            found.checks.add("untrusted")
            found.add("untrusted", UNKNOWN, observed=trust.reason, hint=trust.hint)
        if trust.reason:
            found.skipped.extend((check, trust.reason, "") for check in OF_TRUST if not (trust.hint and check == "untrusted"))
        return
    found.checks.update(OF_TRUST)
    if trust.verified:
        return
    about = {"reason": trust.reason, "code": trust.code, "issuer": seen.chain[-1].issuer, "served": len(seen.chain)}
    if trust.code in (EXPIRED, NOT_YET, WEAK_LEAF_KEY, WEAK_CA_KEY, WEAK_HASH):
        # The chain leads to a trusted root; what is wrong with it has a finding of its own.
        return
    if leaf.self_signed and trust.code in (*NO_ISSUER, SELF_SIGNED_LEAF):
        if not found.terms.allow_self_signed:
            found.add("self_signed", CRITICAL, observed=leaf.subject, detail=about,
                      hint="Put a certificate of a CA there, give it as ca_path, or set allow_self_signed where it is meant to be so.")
    elif trust.code in NO_ISSUER and (trust.completed or _looks_incomplete(found, leaf)):
        unless = "" if trust.completed else ", unless that is a CA that is not trusted here: then give it as ca_path"
        found.add("incomplete_chain", CRITICAL, observed=trust.reason, detail={**about, "proven": trust.completed},
                  hint=f"Serve the intermediate certificates as well: {seen.chain[-1].issuer} is missing{unless}.")
    else:
        found.add("untrusted", CRITICAL, observed=trust.reason, detail=about,
                  hint="No trusted CA issued it: give a private CA as ca_path, or replace the certificate.")


def _looks_incomplete(found: Judged, leaf: Cert) -> bool:
    """Whether intermediates are missing rather than the root unknown; without them at hand nobody can be certain."""
    top = path_up(found.seen.chain)[-1]
    if not found.seen.whole or top.self_issued:
        return False
    return top is leaf and bool(top.ca_issuer_urls or found.terms.ca_path or is_public(leaf))


def _judge_strength(found: Judged) -> None:
    found.checks.update(("weak_key", "weak_signature"))
    code = found.seen.trust.code
    keys, hashes = [], []
    for where, cert in needed(found.seen):
        if 0 < cert.key_bits < _MIN_BITS.get(cert.key_type, 0):
            refused = cert.key_bits < _BROKEN_BITS[cert.key_type] or code == (WEAK_LEAF_KEY if where == LEAF else WEAK_CA_KEY)
            keys.append((CRITICAL if refused else WARNING, where, cert))
        # Nobody checks the signature of a root: it is trusted for being itself.
        if cert.signature_hash in _WEAK_HASHES and not cert.self_issued:
            hashes.append((CRITICAL if code == WEAK_HASH else _WEAK_HASHES[cert.signature_hash], where, cert))
    if keys:
        status, where, cert = min(keys, key=lambda item: (item[0] != CRITICAL, item[1]))
        found.add("weak_key", status, observed=cert.key_bits, threshold=_MIN_BITS[cert.key_type], unit="bits", detail=_about(where, cert),
                  hint=f"Renew it with a new key: {cert.key_type} of {cert.key_bits} bits is too weak.")
    elif code in (WEAK_LEAF_KEY, WEAK_CA_KEY):
        found.add("weak_key", CRITICAL, observed=found.seen.trust.reason, hint="Clients with default settings refuse it: use a longer key.")
    if hashes:
        status, where, cert = min(hashes, key=lambda item: (item[0] != CRITICAL, item[1]))
        found.add("weak_signature", status, observed=cert.signature_hash, threshold="sha256", detail=_about(where, cert),
                  hint="Have it issued again, signed with SHA-256 or better.")
    elif code == WEAK_HASH:
        found.add("weak_signature", CRITICAL, observed=found.seen.trust.reason, hint="Clients with default settings refuse it.")


def _judge_leaf(found: Judged, leaf: Cert, *, names: t.Sequence[str], now: datetime.datetime) -> None:
    if names:
        found.checks.add("name_mismatch")
        lacking = missing(names, leaf)
        if lacking:
            stated = [*leaf.dns_names, *leaf.ip_addresses]
            found.add("name_mismatch", CRITICAL, observed=stated[:20], threshold=lacking, detail={"common_name": leaf.common_name},
                      hint=f"It is not for {', '.join(lacking)}: serve the right one, or have it issued with these names.")
    found.checks.add("too_long_lived")
    days = too_long(leaf)
    if days is not None:
        found.add("too_long_lived", WARNING, observed=_days(leaf.lifetime), threshold=days, unit="days",
                  detail={"not_before": iso(leaf.not_before)},
                  hint="Browsers refuse public certificates that live longer than the CA/Browser Forum allowed when they were issued.")
    for told in found.seen.revocations:
        if told.revoked is not None:
            found.checks.add("revoked")
        if told.revoked:
            found.add("revoked", CRITICAL, observed=told.reason or "revoked", hint="Renew it, with a new key if the old one has leaked.",
                      detail={"source": told.source, "when": iso(told.when) if told.when else None})
            break
    renewal = found.seen.renewal
    if renewal is not None:
        found.checks.add("renew_advised")
        if renewal.start <= now:
            found.add("renew_advised", WARNING, observed=iso(renewal.start), hint="The CA asks to renew it now (RFC 9773).",
                      detail={"start": iso(renewal.start), "end": iso(renewal.end), "explanation": renewal.explanation})


def _judge_skew(found: Judged, skew: float, limits: Skew) -> None:
    found.checks.add("clock_skew")
    # The header Date has whole seconds.
    if abs(skew) >= max(limits.warning, 2.0):
        status = CRITICAL if abs(skew) >= limits.critical else WARNING
        found.add("clock_skew", status, observed=round(skew, 1), unit="seconds",
                  threshold=limits.critical if status == CRITICAL else limits.warning,
                  hint=f"The server's clock is {'ahead of' if skew > 0 else 'behind'} ours: one of the two is wrong; see its time service.")


def compare_pair(endpoint: Judged, file: Judged, *, reload: str, now: datetime.datetime) -> None:
    """Judge whether a server serves what is in its file; the finding goes to the endpoint."""
    served, stored = endpoint.seen.leaf, file.seen.leaf
    if served is None or stored is None:
        endpoint.skipped.append(("stale_in_memory", "one of the two was not seen", "See the findings of the endpoint and of the file."))
        return
    endpoint.checks.add("stale_in_memory")
    if served.fingerprint == stored.fingerprint:
        return
    newer = stored.not_before > served.not_before
    lost = served.left(now) < 0 or endpoint.terms.thresholds.judge(left=served.left(now), lifetime=served.lifetime)[0] == CRITICAL
    path = file.seen.address or file.seen.target
    hint = f"{path} holds another certificate than the server serves, and no newer one: a restart would bring that one back."
    if newer:
        hint = f"Reload the server{f': {reload}' if reload else ''}. It still serves the certificate from before {path} was renewed."
    detail = {
        "file": file.seen.address, "reload": reload if newer else "", "file_is_newer": newer, "file_not_after": iso(stored.not_after),
    }
    status = CRITICAL if newer and lost else WARNING
    endpoint.add("stale_in_memory", status, observed=served.serial, threshold=stored.serial, hint=hint, detail=detail)


def expect(found: Judged, *, beside: t.Sequence[Cert] = ()) -> None:
    """Judge whether the target has the very certificate that it must have, where one is named.

    Args:
        beside: what it serves to clients that take another key type only.
    """
    terms, leaf = found.terms, found.seen.leaf
    wanted = terms.expect_fingerprint or terms.expect_serial
    if not wanted:
        return
    if leaf is None:
        found.skipped.append(("stale_in_memory", "no certificate was seen", "See the finding of the target."))
        return
    found.checks.add("stale_in_memory")
    if not any(terms.expect_serial in ("", cert.serial) and terms.expect_fingerprint in ("", cert.fingerprint) for cert in (leaf, *beside)):
        found.add(
            "stale_in_memory", CRITICAL, observed=leaf.fingerprint if terms.expect_fingerprint else leaf.serial, threshold=wanted,
            hint="It serves another certificate than the one expected: reload the server.", detail=_about(LEAF, leaf),
        )
