# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that reads bytes from outside ends with a result or a refusal: files, kubeconfigs, certificates, answers of servers."""

from __future__ import annotations

import errno
import json
import os
import typing as t

import pytest

pytest.importorskip("cryptography")
from ansible_collections.oncall.incident.plugins.module_utils._certificate import files
from ansible_collections.oncall.incident.plugins.module_utils._certificate.bundle import Unreadable, read_bundle
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.targets import Content, Place
from ansible_collections.oncall.incident.plugins.module_utils._certificate.endpoint import skew_of
from ansible_collections.oncall.incident.plugins.module_utils._certificate.parse import BadCertificate, parse
from ansible_collections.oncall.incident.plugins.module_utils._certificate.verify import read_verdict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.plain_certs import DER

#: On a busy machine an example takes as long as it takes.
BUSY: t.Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

def test_a_certificate() -> None:
    found = parse(DER)
    assert (found.subject, found.key_type, found.self_signed, found.dns_names) == ("CN=localhost", "ed25519", True, ("localhost",))
    assert found.serial and len(found.fingerprint) == 64 and found.not_after.tzinfo is not None and found.der == DER


@settings(max_examples=200, **BUSY)
@given(at=st.integers(0, len(DER) - 1), byte=st.integers(0, 255), cut=st.integers(0, 3))
def test_a_certificate_with_one_wrong_byte(at: int, byte: int, cut: int) -> None:
    data = bytearray(DER)
    data[at] = byte
    try:
        found = parse(bytes(data[:len(data) - cut]))
    except BadCertificate as exc:
        assert exc.message
    else:
        assert found.subject.isprintable() and all(name.isprintable() for name in found.dns_names)


@settings(max_examples=80, **BUSY)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate(data: bytes) -> None:
    with pytest.raises(BadCertificate):
        parse(data)


@settings(max_examples=80, **BUSY)
@given(st.one_of(st.binary(max_size=120), st.binary(max_size=60).map(
    lambda data: b"-----BEGIN CERTIFICATE-----" + data + b"-----END CERTIFICATE-----",
)))
def test_whatever_a_file_holds(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_bundle(data)


@settings(max_examples=60, **BUSY)
@given(st.one_of(
    st.binary(max_size=80), st.binary(max_size=80).map(lambda data: b"\xfe\xed\xfe\xed" + data),
    st.binary(max_size=80).map(lambda data: b"\x30\x82\x01\x00\x02\x01\x03" + data),
))
def test_whatever_a_store_holds(data: bytes) -> None:
    """PKCS#12 and key stores, by what they begin with."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        (found,) = files.look_at_file(file.name, Place(path=file.name))
    assert found.trouble is not None and found.trouble.kind == "unreadable"


@settings(max_examples=80, **BUSY)
@given(st.one_of(st.binary(max_size=200), st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(
        st.sampled_from(["users", "user", "clusters", "cluster", "name", "client-certificate-data", "client-certificate"]), inner,
        max_size=4,
    )), max_leaves=12,
).map(lambda value: json.dumps(value).encode())))
def test_whatever_a_kubeconfig_holds(data: bytes) -> None:
    try:
        found = files.kubeconfig_entries(data)
    except Unreadable:
        return
    assert all(isinstance(name, str) and (not encoded or not path) for name, encoded, path in found)


def test_a_kubeconfig_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_load", lambda _text: (_ for _ in ()).throw(ImportError("yaml")))
    text = (
        b"users:\n- name: a\n  user:\n    client-certificate-data: QUJD\n    client-key-data: c2VjcmV0\n- user: {}\n"
        b"clusters:\n- cluster:\n    certificate-authority: 'ca.pem'\n"
    )
    assert files.kubeconfig_entries(text) == [("client-certificate, line 4", b"QUJD", ""), ("certificate-authority, line 9", b"", "ca.pem")]


@pytest.mark.parametrize("text", ["", "x", "A===", "\u00fc", "-----BEGIN CERTIFICATE-----"])
def test_contents_of_no_use(text: str) -> None:
    (found,) = files.look_at_content(Content(label="x", text=text))
    assert found.trouble is not None


def test_a_file_that_may_not_be_read_is_not_called_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: t.Any) -> t.NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files.os, "open", refuse)
    (found,) = files.look_at_file("/etc/ssl/private/a.pem", Place(path="/etc/ssl/private/a.pem"))
    assert found.trouble is not None and found.trouble.blind
    assert found.trouble.reason == "permission denied" and "become" in found.trouble.hint


def test_a_pipe_holds_nobody_up(tmp_path: t.Any) -> None:
    os.mkfifo(tmp_path / "pipe.pem")
    (found,) = files.look_at_file(str(tmp_path / "pipe.pem"), Place(path="x"))
    assert found.trouble is not None


@pytest.mark.parametrize(("date", "skew"), [
    (b"Thu, 01 Jan 1970 00:16:40 GMT", 0.0), (b"Thu, 01 Jan 1970 00:16:41 GMT", 0.0), (b"Thu, 01 Jan 1970 00:26:40 GMT", 599.0),
    (b"Thu, 01 Jan 1970 00:06:40 GMT", -600.0), (b"soon", None), (b"", None), (b"Thu, 99 Jan 1970 00:00:00 GMT", None),
])
def test_clocks(date: bytes, skew: float | None) -> None:
    assert skew_of(b"HTTP/1.1 200 OK\r\nServer: x\r\nDATE: " + date + b"\r\n\r\n", before=1000.0, after=1001.0) == skew


@settings(max_examples=100, **BUSY)
@given(st.one_of(st.binary(max_size=100), st.text(max_size=40).map(
    lambda text: b"HTTP/1.1 200 OK\r\nDate: " + text.encode() + b"\r\n\r\n",
)))
def test_whatever_a_header_says(head: bytes) -> None:
    found = skew_of(head, before=1.0, after=2.0)
    assert found is None or isinstance(found, float)


@pytest.mark.parametrize(("status", "said", "verified", "code"), [
    (0, "/tmp/leaf.pem: OK\n", True, 0), (0, "", None, 0), (1, "/tmp/leaf.pem: OK\n", None, 0),
    (2, "CN = a\nerror 20 at 0 depth lookup: unable to get local issuer certificate\nerror leaf.pem: verification failed\n", False, 20),
    (2, "CN = a\nerror 10 at 1 depth lookup:certificate has expired\nOK\n", False, 10), (127, "no such program", None, 0),
])
def test_what_openssl_said(status: int, said: str, verified: bool | None, code: int) -> None:
    found = read_verdict(status, said)
    assert (found.verified, found.code) == (verified, code) and (found.verified is True or found.reason)
