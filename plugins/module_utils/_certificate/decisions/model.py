# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate says, and what was seen at a target: plain data, whoever read it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

ENDPOINT, FILE, CONTENT, KUBECONFIG = "endpoint", "file", "content", "kubeconfig"

#: What a server answered when it was asked for a certificate of one key type.
SERVED, NONE, NOT_ASKED = "served", "none", "not_asked"

#: Kinds of Trouble.
UNREACHABLE, UNREADABLE = "unreachable", "unreadable"


@dataclasses.dataclass(frozen=True)
class Cert:
    """One certificate.

    Attributes:
        subject, issuer: as text (RFC 4514), for people.
        subject_id, issuer_id: the same names in a form that can be compared.
        key_id, issuer_key_id: subject and authority key identifier, hex; empty when there is none.
        serial: hex as openssl prints it: upper case, an even number of digits.
        fingerprint: SHA-256, lower-case hex without colons.
        not_before, not_after: UTC.
        dns_names, ip_addresses, other_names: subject alternative names.
        is_ca: basicConstraints say that it is a CA.
        self_issued: subject and issuer are the same name.
        self_signed: its signature was checked with its own key.
        key_type, key_bits: rsa, ec, ed25519, ...; bits of the modulus or the curve.
        signature_hash: lower-case name of the hash; empty for signatures without one.
        policies: certificate policies, as dotted numbers.
        has_scts: it carries signed certificate timestamps, so it was logged publicly.
        der: its bytes, for those that need them again.
    """

    subject: str
    issuer: str
    subject_id: str
    issuer_id: str
    serial: str
    fingerprint: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    key_id: str = ""
    issuer_key_id: str = ""
    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    is_ca: bool = False
    self_issued: bool = False
    self_signed: bool = False
    key_type: str = ""
    key_bits: int = 0
    signature_hash: str = ""
    policies: tuple[str, ...] = ()
    has_scts: bool = False
    must_staple: bool = False
    ocsp_urls: tuple[str, ...] = ()
    crl_urls: tuple[str, ...] = ()
    ca_issuer_urls: tuple[str, ...] = ()
    der: bytes = dataclasses.field(default=b"", repr=False, compare=False)

    @property
    def lifetime(self) -> float:
        """From notBefore through notAfter, both included: seconds (Baseline Requirements, section 1.6.1)."""
        return (self.not_after - self.not_before).total_seconds() + 1

    @property
    def asked_as(self) -> str:
        """The key type as clients ask for it: every key on a curve is in the cipher suites of ECDSA (RFC 8422 section 5.10)."""
        return "ecdsa" if self.key_type in ("ec", "ed25519", "ed448") else self.key_type

    def left(self, now: datetime.datetime) -> float:
        """Seconds until it expires; negative when it has."""
        return (self.not_after - now).total_seconds()

    def percent_left(self, now: datetime.datetime) -> float:
        """Share of its lifetime that is left, in percent; below zero when it has expired."""
        return 100.0 * self.left(now) / self.lifetime if self.lifetime > 0 else 0.0

    def issued(self, other: Cert) -> bool:
        """Whether names and key identifiers say that this one issued the other; no proof."""
        if self.subject_id != other.issuer_id:
            return False
        return not (self.key_id and other.issuer_key_id) or self.key_id == other.issuer_key_id


@dataclasses.dataclass(frozen=True)
class Trust:
    """What verification of a chain came to.

    Attributes:
        verified: True or False only where a verifier has judged; None where none could.
        reason: the verifier's words, or why there was none.
        code: of X509_verify_cert (openssl-verification-options(1)); 0 where there is none.
        chain: the chain that verified, leaf first; empty where it isn't known.
        completed: intermediates that were not served made it verify: only they are missing.
        unusable: a client with default settings cannot connect at all, for the reason that is given.
        hint: what to do where the reason is in what the caller gave, such as a missing file of CAs.
    """

    verified: t.Optional[bool] = None
    reason: str = ""
    code: int = 0
    chain: tuple[Cert, ...] = ()
    completed: bool = False
    unusable: bool = False
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why a target shows no certificate.

    Attributes:
        kind: UNREACHABLE or UNREADABLE.
        reason: in words.
        blind: it could not be judged (no permission, out of time), which is not the same as broken.
        unusable: it speaks TLS, and nothing of it that this host speaks too.
    """

    kind: str
    reason: str
    blind: bool = False
    hint: str = ""
    unusable: bool = False


@dataclasses.dataclass(frozen=True)
class KeyAnswer:
    """What a server answered to a client that takes certificates of one key type only.

    Attributes:
        key_type: rsa or ecdsa.
        answer: SERVED, NONE or NOT_ASKED.
        target: the target whose certificate it served.
        reason: why it was not asked.
    """

    key_type: str
    answer: str
    target: str = ""
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Renewal:
    """What the CA says about renewing: RFC 9773."""

    start: datetime.datetime
    end: datetime.datetime
    explanation: str = ""


@dataclasses.dataclass(frozen=True)
class Revocation:
    """What was learnt about revocation: `revoked` is None where nobody could say."""

    revoked: t.Optional[bool] = None
    source: str = ""
    reason: str = ""
    when: t.Optional[datetime.datetime] = None


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was seen at one target: an address of an endpoint, a certificate with its chain in a file.

    Attributes:
        target: names it in findings.
        kind: ENDPOINT, FILE, CONTENT or KUBECONFIG.
        address: where it was found: an address with its port, a path.
        chain: as served or stored, the leaf first; empty with trouble.
        whole: all that was served could be seen; False means only the leaf.
        passed_over: how many blocks of a file look like a certificate, and are not read by a server.
        staple: the OCSP answer that came with it, DER; empty when there was none or nobody asked.
        skew: the target's clock minus ours in seconds; None where it was not asked.
        seconds: how long an endpoint took.
        notes: further (check, reason, hint) that could not be judged.
        key_types: what an endpoint answered by key type.
        beside: the target that serves this certificate as well, to clients that take no other key type; "" for the target itself.
    """

    target: str
    kind: str
    address: str = ""
    chain: tuple[Cert, ...] = ()
    whole: bool = True
    passed_over: int = 0
    trust: Trust = Trust()
    trouble: t.Optional[Trouble] = None
    skew: t.Optional[float] = None
    renewal: t.Optional[Renewal] = None
    revocations: tuple[Revocation, ...] = ()
    staple: bytes = b""
    protocol: str = ""
    seconds: float = 0.0
    notes: tuple[tuple[str, str, str], ...] = ()
    key_types: tuple[KeyAnswer, ...] = dataclasses.field(default=(), repr=False)
    beside: str = ""

    @property
    def leaf(self) -> t.Optional[Cert]:
        """The certificate itself."""
        return self.chain[0] if self.chain else None


def path_up(chain: t.Sequence[Cert]) -> tuple[Cert, ...]:
    """The leaf and those that issued it, one after the other, whatever the order and the extras of a served chain."""
    if not chain:
        return ()
    path, rest = [chain[0]], list(chain[1:])
    while not path[-1].self_issued:
        # Several with one name: cross-signed ones. The one that lives longest is what a verifier would look for.
        issuers = sorted((one for one in rest if one.issued(path[-1])), key=lambda one: one.not_after, reverse=True)
        if not issuers:
            break
        path.append(issuers[0])
        rest.remove(issuers[0])
    return tuple(path)


def iso(moment: datetime.datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
