# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose certificate has expired, on the disk and where it is served: on the site's host.

The certificate is one of the same names for the same key, from an issuer of this fault's own, by which it is known again. Only what is
still of this fault is taken back: what a renewal has replaced is left as it is.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from _certificates import served
from _common import Asked, main, ready, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes  # newer than what hosts need

#: What is written over: the certificate, those that issued it, and both.
FILES = ("cert.pem", "chain.pem", "fullchain.pem")
#: Seconds until a reloaded server must serve what it loaded.
PATIENCE = 30


def inject(asked: Asked) -> None:
    remove(asked)
    live, saved = live_of(asked), saved_of(asked)
    present = x509.load_pem_x509_certificate((live / "fullchain.pem").read_bytes())
    leaf, chain = make(present, name=asked.params["name"], issuer_name=issuer_of(asked))
    contents = {"cert.pem": leaf, "chain.pem": chain, "fullchain.pem": leaf + chain}
    saved.mkdir(mode=0o700)
    for name in FILES:
        path = (live / name).resolve()
        if path.exists():
            shutil.copy2(path, saved / name)
            (saved / f"{name}.where").write_text(str(path))
    for name in FILES:
        if (saved / name).exists():
            write((live / name).resolve(), contents[name])
    load(asked, ours=True)
    ready()


def remove(asked: Asked) -> None:
    issuer = issuer_of(asked)
    for where in saved_of(asked).glob("*.where"):
        path, copy = Path(where.read_text()), where.with_suffix("")
        # Torn by our own death, or ours: nobody else writes over these files in place.
        if path.exists() and (is_ours(path, issuer) or not certificates(path)):
            write(path, copy.read_bytes())
            shutil.copystat(copy, path)
    shutil.rmtree(saved_of(asked), ignore_errors=True)
    if any(served_ours(asked).values()):
        load(asked, ours=False)


def left(asked: Asked) -> Iterator[str]:
    places = {path.resolve().parent for path in live_of(asked).glob("*.pem")}
    for path in sorted(found for place in places for found in place.glob("*.pem")):
        if is_ours(path, issuer_of(asked)):
            yield f"{path} is of the drill"
    for address, ours in served_ours(asked).items():
        if ours:
            yield f"{address} serves what is of the drill"
    if saved_of(asked).exists():
        yield str(saved_of(asked))


def live_of(asked: Asked) -> Path:
    """The directory of the certificate; certbot's for that name by default."""
    return Path(asked.params["live"] or f"/etc/letsencrypt/live/{asked.params['name']}")


def saved_of(asked: Asked) -> Path:
    """Where the files are as they were."""
    return asked.kept / "saved"


def issuer_of(asked: Asked) -> str:
    """The issuer of this fault's certificate, and of no other."""
    return hashlib.sha256(asked.unit.encode()).hexdigest()[:16]


def load(asked: Asked, *, ours: bool) -> None:
    """Make the server read its files, and see that every address, or none, serves what is ours."""
    subprocess.run(asked.params["reload"], shell=True, check=True)

    def loaded() -> bool:
        found = served_ours(asked).values()
        return all(found) if ours else not any(found)

    wait_until(loaded, seconds=PATIENCE, otherwise="the server does not serve what it was told to load")


def make(present: x509.Certificate, *, name: str, issuer_name: str) -> tuple[bytes, bytes]:
    """A certificate like the present one that expired an hour ago, and its issuer; PEM."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)])

    def signed(
        subject: x509.Name, public: CertificatePublicKeyTypes, more: Sequence[tuple[x509.ExtensionType, bool]], until: datetime.datetime,
    ) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=90))
        for extension, critical in more:
            builder = builder.add_extension(extension, critical=critical)
        return builder.not_valid_after(until).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    names = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    subject = present.subject if list(present.subject) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    leaf = signed(subject, present.public_key(), [
        (names, False), (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
    ], now - datetime.timedelta(hours=1))
    return leaf, signed(issuer, key.public_key(), [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ], now + datetime.timedelta(days=365))


def write(path: Path, content: bytes) -> None:
    """In place: owner, mode and links stay."""
    with path.open("r+b") as target:
        target.write(content)
        target.truncate()
        target.flush()
        os.fsync(target.fileno())


def certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a file; none when it has none that can be read."""
    end = b"-----END CERTIFICATE-----"
    try:
        return [x509.load_pem_x509_certificate(part + end) for part in path.read_bytes().split(end) if b"BEGIN CERTIFICATE" in part]
    except (OSError, ValueError):
        return []


def issued_by(certificate: x509.Certificate, issuer: str) -> bool:
    return any(part.value == issuer for part in certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME))


def is_ours(path: Path, issuer: str) -> bool:
    """Whether a file has a certificate of this fault."""
    return any(issued_by(certificate, issuer) for certificate in certificates(path))


def served_ours(asked: Asked) -> dict[str, bool]:
    """By address, whether the fault's certificate is served there. An address that does not answer serves nothing."""
    issuer, found = issuer_of(asked), served(asked.params["name"], asked.params["port"])
    return {address: der is not None and issued_by(x509.load_der_x509_certificate(der), issuer) for address, der in found.items()}


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
