# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate files are read as servers read them: OpenSSL itself is asked about each, and whatever it refuses is refused here."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

import pytest

pytest.importorskip("cryptography")
from ansible_collections.oncall.incident.plugins.module_utils._certificate import bundle
from ansible_collections.oncall.incident.plugins.module_utils._certificate.parse import parse
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.reading import read
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.certificate_files import block, corpus, openssl_takes, request_pem
from tests.support.plain_certs import DER

LEAF = ssl.DER_cert_to_PEM_cert(DER).encode()
KEY = ed25519.Ed25519PrivateKey.generate().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
)
FILES = corpus(LEAF, LEAF, KEY)
TEXTS = [LEAF + LEAF, KEY + LEAF, LEAF + request_pem()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a key."""
    found = tmp_path_factory.mktemp("pem")
    (found / "key").write_bytes(KEY)
    return found


def takes(place: Path, data: bytes) -> bool:
    """What OpenSSL makes of a file."""
    (place / "file").write_bytes(data)
    return openssl_takes(place / "file", place / "key")


def reads(data: bytes) -> bool:
    """What we make of it."""
    try:
        return bool(bundle.read_bundle(data, form="pem").certs)
    except bundle.Unreadable as exc:
        assert exc.message
        return False


def is_loaded_unread(place: Path, data: bytes) -> bool:
    """Whether OpenSSL takes a file with a certificate whose inside is damaged: some of it is read only when a client is there."""
    with pytest.raises(bundle.Unreadable) as caught:
        bundle.read_bundle(data, form="pem")
    return "its content is damaged" in caught.value.message and takes(place, data)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_taken_where_openssl_takes_it(name: str, place: Path) -> None:
    assert reads(FILES[name]) is takes(place, FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_a_renewal_reads_the_same(name: str, place: Path) -> None:
    (place / "renewed").write_bytes(FILES[name])
    assert bool(read(str(place / "renewed"))) is takes(place, FILES[name])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_becomes_of_a_file(data: st.DataObject, place: Path) -> None:
    """Up to three changes at places that matter: something cut out, something put in."""
    text = data.draw(st.sampled_from(TEXTS))
    for _number in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        lost = data.draw(st.sampled_from([0, 0, 1, 2, 4, 64, 65, len(text)]))
        more = data.draw(st.sampled_from([
            b"", b"\n", b"\r\n", b" ", b"\t", b"-", b"=", b"==", b":", b"A", b"AAAA", b"\0", b"!", b"\x0b", b"-----", b"#",
            b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"-----BEGIN ", b"x" * 300 + b"\n", b"\n\n",
        ]))
        text = text[:at] + more + text[at + lost:]
    assert reads(text) is takes(place, text) or is_loaded_unread(place, text)


def test_a_time_that_nobody_can_read_is_refused_although_openssl_loads_it(place: Path) -> None:
    """It reads the times only when a client looks at them, which refuses the certificate then."""
    at = len(b"-----BEGIN CERTIFICATE-----\n") + 112
    text = (LEAF + LEAF)[:at] + b"AAAA" + (LEAF + LEAF)[at + 4:]
    assert is_loaded_unread(place, text)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@example(at=-1)
@given(at=st.integers(0, 10_000))
def test_a_byte_above_127_is_never_taken_in_excess(at: int, place: Path) -> None:
    """Whether it counts as a blank differs between platforms."""
    text = LEAF + LEAF
    at %= len(text)
    text = text[:at] + b"\xa0" + text[at:]
    assert takes(place, text) or not reads(text)


@pytest.mark.parametrize(("name", "passed_over"), [
    ("whole", 0), ("key before", 0), ("text around", 0), ("commented out", 0), ("second indented", 1), ("cut in a BEGIN line", 1),
    ("cut between", 1), ("trusted behind", 1), ("trusted", 0),
])
def test_what_a_server_passes_over_is_counted(name: str, passed_over: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "parse", lambda der: dataclasses.replace(parse(der), is_ca=False))
    found = bundle.read_bundle(FILES[name])
    assert found.passed_over == passed_over and len(found.certs) == (1 if passed_over or name == "commented out" else 2)


@pytest.mark.parametrize(("name", "said"), [
    ("cut in the data", "the block 'CERTIFICATE' that begins in line 11 is cut off: its END line is missing"),
    ("cut in the END line", "cut off in its END line"), ("glued", "a line break is missing"),
    ("another END", "ends with another END line, in line 10"),
    ("damaged Base64", "holds damaged Base64"),
    ("indented", "no BEGIN line stands alone"), ("half a certificate", "its data ends too early"),
    ("request", "it holds a certificate signing request, and no certificate"), ("key", "it holds a private key, and no certificate"),
    ("bundle", "it holds a PKCS#7 bundle, and no certificate"), ("list", "a certificate revocation list"),
    ("damaged in the second", "line 11"), ("not a certificate", "certificate 1 of 3 cannot be read: it is not DER"),
])
def test_the_message_says_what_the_file_is(name: str, said: str) -> None:
    with pytest.raises(bundle.Unreadable) as caught:
        bundle.read_bundle(FILES[name])
    assert said in caught.value.message
    assert not any(word in caught.value.message for word in ("ASN1", "asn1", "ParseError", "Error", "error"))


def test_a_trust_store_is_read_in_full() -> None:
    assert len(bundle.read_bundle(FILES["trusted behind"]).certs) == 2, "the first is a CA's"


def der_of(kind: str) -> bytes:
    """Something in DER that no server takes for a certificate."""
    key = ed25519.Ed25519PrivateKey.generate()
    if kind == bundle.REQUEST:
        return ssl.PEM_cert_to_DER_cert(labelled_back(request_pem()))
    form = serialization.PrivateFormat.PKCS8
    return {
        bundle.KEY: lambda: key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()),
        "encrypted": lambda: key.private_bytes(serialization.Encoding.DER, form, serialization.BestAvailableEncryption(b"secret")),
        bundle.PUBLIC_KEY: lambda: key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo,
        ),
    }[kind]()


def labelled_back(pem: bytes) -> str:
    """A request that the standard library takes for a certificate, to decode it."""
    return pem.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE").decode()


@pytest.mark.parametrize(("kind", "said"), [
    (bundle.REQUEST, bundle.REQUEST), (bundle.KEY, bundle.KEY), ("encrypted", bundle.KEY), (bundle.PUBLIC_KEY, bundle.PUBLIC_KEY),
])
def test_der_of_another_kind_is_named(kind: str, said: str) -> None:
    with pytest.raises(bundle.Unreadable) as caught:
        bundle.read_bundle(der_of(kind))
    assert caught.value.message == f"it is {said}, not a certificate" and caught.value.hint


@pytest.mark.parametrize(("data", "said"), [
    (DER[:-5], "its data ends too early"), (DER + b"x", "other data follows it"), (b"hello", "it is not DER"),
    (DER.replace(b"\x30", b"\x31", 3).replace(b"\x31", b"\x30", 1), "its content is damaged"),
])
def test_damaged_der(data: bytes, said: str) -> None:
    with pytest.raises(bundle.Unreadable) as caught:
        bundle.read_bundle(data)
    assert caught.value.message == f"it holds a certificate that cannot be read: {said}"


def test_trust_settings_are_read(place: Path) -> None:
    """As `openssl x509 -addtrust` writes them: behind the certificate, in its block."""
    import base64

    settings_of_trust = bytes.fromhex("300c300a06082b06010505070301")
    text = block(base64.encodebytes(DER + settings_of_trust), b"TRUSTED CERTIFICATE")
    assert takes(place, text) and bundle.read_bundle(text).certs[0].der == DER
