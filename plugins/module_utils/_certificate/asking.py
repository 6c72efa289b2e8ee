# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked after a target was seen: of its CA, of who issued its issuer, and of its trust where no handshake judged it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

from . import revocation, verify
from .bundle import Unreadable, read_bundle
from .decisions.acme_renewal import certificate_id, known_directory, read_renewal
from .decisions.model import ENDPOINT, Cert, Renewal, Seen, path_up
from .decisions.targets import Terms
from .decisions.verdict import NO_ISSUER
from .fetch import Fetcher, NotFetched
from .parse import BadCertificate, parse

try:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
except ImportError:
    # Said by library.require_cryptography().
    pass

_MAX_ABOVE = 4


@dataclasses.dataclass(frozen=True)
class Asking:
    """What may be asked, and of whom.

    Attributes:
        fetcher: for revocation and issuers: plain HTTP as a rule.
        acme: for the ACME server.
        timeout: for openssl verify, seconds.
    """

    fetcher: Fetcher
    acme: Fetcher
    revocation: bool = False
    issuers: bool = False
    ari: bool = True
    timeout: float = 10.0


def after(seen: Seen, terms: Terms, asking: Asking, *, now: datetime.datetime, judge_file: bool) -> Seen:
    """The same, with what was learnt. Never raises for what others say.

    Args:
        judge_file: verify it against its terms' ca_path.
    """
    leaf = seen.leaf
    if leaf is None:
        return seen
    notes = list(seen.notes)
    if judge_file:
        seen = dataclasses.replace(seen, trust=verify.verify(seen.chain, ca_path=terms.ca_path, timeout=asking.timeout))
    if asking.revocation and not leaf.self_issued:
        told, problems = revocation.ask(leaf, issuer_of(seen), fetcher=asking.fetcher, now=now, staple=seen.staple)
        if leaf.must_staple and seen.kind == ENDPOINT and not seen.staple:
            problems.append("the certificate asks for a stapled OCSP answer, and none came with TLS 1.2")
        seen = dataclasses.replace(seen, revocations=tuple(told))
        notes.extend(("revoked", problem, "") for problem in problems)
    if asking.ari and terms.renewal == "acme" and not leaf.self_issued:
        try:
            seen = dataclasses.replace(seen, renewal=renewal_of(leaf, terms.acme_directory, asking.acme))
        except NotFetched as exc:
            notes.append(("renew_advised", exc.message, "See acme_directory and acme_ca_path, or set ari to false."))
    return dataclasses.replace(seen, notes=tuple(notes))


def issuer_of(seen: Seen) -> t.Optional[Cert]:
    """The certificate above the leaf, when it was seen."""
    for chain in (seen.trust.chain, path_up(seen.chain)):
        if len(chain) > 1:
            return chain[1]
    return None


def renewal_of(cert: Cert, directory: str, fetcher: Fetcher) -> t.Optional[Renewal]:
    """What the CA says about renewing a certificate; None where it offers nothing or isn't known.

    Raises:
        NotFetched.
    """
    url, name = directory or known_directory(cert), certificate_id(cert)
    if not url or not name:
        return None
    base = _json(url, fetcher).get("renewalInfo")
    if not isinstance(base, str):
        return None
    where = f"{base.rstrip('/')}/{name}"
    try:
        return read_renewal(_json(where, fetcher))
    except ValueError as exc:
        raise NotFetched(f"{where}: {exc}") from exc


def helpers_for(seen: Seen, known: t.Iterable[Cert], asking: Asking) -> tuple[bytes, ...]:
    """Intermediates that may complete a chain (DER, sorted): those that other targets showed, and those its certificates point to."""
    path = path_up(seen.chain)
    top = path[-1]
    found: list[Cert] = []
    pool = [cert for cert in known if cert.is_ca and not cert.self_issued]
    while not top.self_issued and len(found) < _MAX_ABOVE:
        issuer = next((one for one in pool if one not in found and one.issued(top)), None)
        if issuer is None and asking.issuers:
            issuer = _fetched(top, asking)
        if issuer is None or issuer.self_issued or issuer in found or issuer in path:
            break
        found.append(issuer)
        top = issuer
    return tuple(sorted(cert.der for cert in found))


def lacks_issuer(seen: Seen) -> bool:
    """Whether its chain may only be incomplete."""
    leaf = seen.leaf
    return leaf is not None and seen.trust.verified is False and seen.trust.code in NO_ISSUER and not leaf.self_issued


def _fetched(cert: Cert, asking: Asking) -> t.Optional[Cert]:
    """The issuer that a certificate points to: RFC 5280 section 4.2.2.1, DER, PEM or a PKCS#7 bundle."""
    for url in cert.ca_issuer_urls[:2]:
        try:
            data = asking.fetcher.get(url)
        except NotFetched:
            continue
        for one in _any_certificates(data):
            if one.issued(cert):
                return one
    return None


def _any_certificates(data: bytes) -> list[Cert]:
    try:
        return list(read_bundle(data).certs)
    except Unreadable:
        pass
    try:
        return [parse(one.public_bytes(Encoding.DER)) for one in pkcs7.load_der_pkcs7_certificates(data)]
    except (ValueError, BadCertificate, AttributeError):
        return []


def _json(url: str, fetcher: Fetcher) -> dict[str, t.Any]:
    try:
        found = json.loads(fetcher.get(url))
    except ValueError as exc:
        raise NotFetched(f"{url}: the answer is not JSON") from exc
    if not isinstance(found, dict):
        raise NotFetched(f"{url}: the answer is not a JSON object")
    return found
