# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_expiry and certificates that are stored: PEM bundles, DER, PKCS#12, key stores, kubeconfigs, text."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from tests.support import pki
from tests.support.certificate_files import corpus, request_pem
from tests.support.nginx import Host, Nginx
from tests.support.pki import DAY, Authority
from tests.support.run_module import run_module


@pytest.fixture(scope="module")
def root() -> Authority:
    """A CA that the tests trust."""
    return pki.root()


@pytest.fixture(scope="module")
def middle(root: Authority) -> Authority:
    """The CA below it that issues."""
    return root.intermediate()


def problems(result: dict[str, Any]) -> dict[str, list[str]]:
    """Checks that are not ok, by target."""
    assert "failed" not in result, result
    return {one["target"]: one["problems"] for one in result["certificates"]}


def test_a_pattern_finds_them_all_and_one_bad_file_hides_none(middle: Authority, tmp_path: Path) -> None:
    good, _ = middle.issue("good.example.org").write(tmp_path / "a", name="cert")
    late, _ = middle.issue("late.example.org", ends=-DAY).write(tmp_path / "b" / "deep", name="cert")
    broken = tmp_path / "c" / "cert.pem"
    broken.parent.mkdir()
    broken.write_text("-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n")
    empty = tmp_path / "d.pem"
    empty.touch()
    result = run_module("cert_expiry", files=[{"path": f"{tmp_path}/**/*.pem", "exclude": ["*/x.pem"]}, str(tmp_path / "none.pem")])
    assert problems(result) == {
        str(good): [], str(late): ["expired"], str(broken): ["unreadable"], str(empty): ["unreadable"],
        str(tmp_path / "none.pem"): ["unreadable"],
    }
    reasons = {one["target"]: one["reason"] for one in result["certificates"]}
    assert "cannot be read" in reasons[str(broken)] and reasons[str(empty)] == "it is empty"
    assert result["checks"]["unreadable"] == "critical" and result["recovery"] == "renew"


def test_nginx_is_the_judge_of_files(middle: Authority, tmp_path: Path) -> None:
    """What NGINX refuses is never ok, and what it takes is not called unreadable."""
    issued = middle.issue("a.example.org")
    wholes = corpus(pki.to_pem(issued.cert), pki.to_pem(middle.cert), issued.key_pem)
    place = tmp_path / "files"
    place.mkdir()
    files = {name: place / f"{number:03}.pem" for number, name in enumerate(wholes)}
    for name, data in wholes.items():
        files[name].write_bytes(data)
    key = tmp_path / "key"
    key.write_bytes(issued.key_pem)
    nginx = Nginx(tmp_path / "nginx", [Host("a.example.org", tmp_path / "certificate", key)], tls_port=1, http_port=2)
    result = run_module("cert_expiry", files=[str(path) for path in files.values()])
    found: dict[str, set[str]] = {}
    for one in result["certificates"]:
        assert "incomplete_chain" not in one["problems"]
        found.setdefault(one["target"].partition("#")[0], set()).add(one["status"])
    judged = {}
    for name, path in files.items():
        (tmp_path / "certificate").write_bytes(path.read_bytes())
        done = subprocess.run(nginx.validate, capture_output=True, text=True, timeout=60, check=False)
        # Where the first certificate is passed over, the next one is not the key's.
        judged[name] = "taken" if done.returncode == 0 else "warning" if "key values mismatch" in done.stderr else "refused"
        assert judged[name] != "refused" or "cannot load certificate" in done.stderr, done.stderr
    expected = {"taken": ({"ok"}, {"warning"}), "warning": ({"warning"}, {"warning", "ok"}), "refused": ({"critical"},)}
    answers = {name: (answer, found[str(files[name])]) for name, answer in judged.items()}
    assert {name: said for name, said in answers.items() if said[1] not in expected[said[0]]} == {}
    assert {"taken", "warning", "refused"} == set(judged.values())


def test_the_hint_says_what_a_file_is(middle: Authority, tmp_path: Path) -> None:
    issued = middle.issue("a.example.org")
    written = {
        "request.pem": request_pem(), "key.pem": issued.key_pem,
        "bundle.p7b": pkcs7.serialize_certificates([issued.cert], serialization.Encoding.PEM),
        "bundle.der": pkcs7.serialize_certificates([issued.cert], serialization.Encoding.DER),
        "certificate.der": pki.to_der(issued.cert)[:-9],
    }
    for name, data in written.items():
        (tmp_path / name).write_bytes(data)
    result = run_module("cert_expiry", files=[str(tmp_path / name) for name in written])
    found = {Path(one["subject"]).name: (one["observed"], one["hint"]) for one in result["findings"] if one["status"] == "critical"}
    assert {name: said for name, (said, _hint) in found.items()} == {
        "request.pem": "it holds a certificate signing request, and no certificate",
        "key.pem": "it holds a private key, and no certificate",
        "bundle.p7b": "it holds a PKCS#7 bundle, and no certificate", "bundle.der": "it is a PKCS#7 bundle, not a certificate",
        "certificate.der": "it holds a certificate that cannot be read: its data ends too early",
    }
    assert "the CA issued for this request" in found["request.pem"][1] and "as PEM" in found["bundle.der"][1]


def test_a_pattern_without_a_match_is_not_health(tmp_path: Path) -> None:
    result = run_module("cert_expiry", files=[str(tmp_path / "*.pem")])
    assert result["status"] == "unknown" and result["checks"]["unreadable"] == "unknown"


def test_a_bundle_is_read_in_full(root: Authority, tmp_path: Path) -> None:
    """The leaf is fine; what it needs expires tomorrow. Its key in the same file is passed over."""
    middle = root.intermediate(ends=DAY, lasts=300 * DAY)
    issued = middle.issue("a.example.org")
    path = tmp_path / "bundle.pem"
    path.write_bytes(issued.key_pem + b"Bag Attributes\n" + pki.to_pem(*issued.chain))
    result = run_module("cert_expiry", files=[str(path)])
    assert problems(result) == {str(path): ["expiring"]} and result["recovery"] == "fix_chain"
    assert len(result["certificates"][0]["chain"]) == 2 and "PRIVATE" not in str(result)


def test_a_trust_store_is_many_targets(tmp_path: Path) -> None:
    roots = [pki.root("One"), pki.root("Two", ends=-DAY), pki.root("Three")]
    path = tmp_path / "roots.pem"
    path.write_bytes(pki.to_pem(*(one.cert for one in roots)))
    result = run_module("cert_expiry", files=[str(path)])
    assert problems(result) == {f"{path}#1": [], f"{path}#2": ["expired"], f"{path}#3": []}


def test_der_and_the_names_that_a_file_must_have(middle: Authority, tmp_path: Path) -> None:
    path = tmp_path / "a.crt"
    path.write_bytes(pki.to_der(middle.issue("a.example.org").cert))
    result = run_module("cert_expiry", files=[{"path": str(path), "names": ["a.example.org", "b.example.org"]}])
    assert problems(result) == {str(path): ["name_mismatch"]}
    assert result["findings"][0]["threshold"] == ["b.example.org"]


def test_a_file_is_verified_where_somebody_says_against_what(middle: Authority, root: Authority, tmp_path: Path) -> None:
    ca_path = str(root.write(tmp_path / "root.pem"))
    issued = middle.issue("a.example.org")
    full, _ = issued.write(tmp_path, name="full")
    leaf_only, _ = issued.write(tmp_path, name="leaf", chain=[issued.cert])
    other, _ = pki.root("Other").issue("a.example.org").write(tmp_path, name="other")
    stated = [{"path": str(path), "ca_path": ca_path} for path in (full, leaf_only, other)]
    result = run_module("cert_expiry", files=[*stated, {"path": str(full), "exclude": []}])
    found = {(one["target"], one["verified"]): one["problems"] for one in result["certificates"]}
    assert found == {
        (str(full), True): [], (str(leaf_only), False): ["incomplete_chain"], (str(other), False): ["incomplete_chain"],
        (str(full), None): [],
    }


def test_pkcs12(middle: Authority, tmp_path: Path) -> None:
    issued = middle.issue("a.example.org", ends=5 * DAY, lasts=90 * DAY)
    secret = "correct-horse-battery"
    path = tmp_path / "store.p12"
    path.write_bytes(pkcs12.serialize_key_and_certificates(
        b"a", issued.key, issued.cert, list(issued.above), serialization.BestAvailableEncryption(secret.encode()),
    ))
    opened = run_module("cert_expiry", files=[str(path)], passphrases={f"{tmp_path}/*.p12": secret})
    wrong = run_module("cert_expiry", files=[str(path)], passphrases={str(path): "not-that-one"})
    none = run_module("cert_expiry", files=[str(path)])
    assert problems(opened) == {str(path): ["expiring"]} and len(opened["certificates"][0]["chain"]) == 2
    for result in (wrong, none):
        assert result["status"] == "unknown" and "passphrase" in result["certificates"][0]["reason"]
    assert secret not in str(opened) and "not-that-one" not in str(wrong)


def test_a_key_store_without_the_library(tmp_path: Path) -> None:
    path = tmp_path / "store.jks"
    path.write_bytes(b"\xfe\xed\xfe\xed\x00\x00\x00\x02" + bytes(40))
    result = run_module("cert_expiry", files=[str(path)])
    assert result["status"] == "unknown"
    assert "pyjks" in result["certificates"][0]["reason"] or "cannot be opened" in result["certificates"][0]["reason"]


def test_kubeconfig(middle: Authority, root: Authority, tmp_path: Path) -> None:
    def data(cert: Any) -> str:
        return base64.b64encode(pki.to_pem(cert)).decode()

    client, _ = middle.issue("admin", ends=-DAY).write(tmp_path, name="client")
    config = {
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "prod", "cluster": {"certificate-authority-data": data(root.cert)}}],
        "users": [
            {"name": "admin", "user": {"client-certificate": "client.pem", "client-key": "client.key"}},
            {"name": "ci", "user": {"client-certificate-data": data(middle.issue("ci", ends=3 * DAY, lasts=365 * DAY).cert)}},
            {"name": "token", "user": {"token": "abc"}},
        ],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    broken = tmp_path / "broken"
    broken.write_text("users: [")
    result = run_module("cert_expiry", kubeconfigs=[str(path), str(broken)])
    assert problems(result) == {
        f"{path} (cluster prod)": [], f"{path} (user admin)": ["expired"], f"{path} (user ci)": ["expiring"], str(broken): ["unreadable"],
    }
    assert {one["kind"] for one in result["certificates"]} == {"kubeconfig"}
    assert str(client) in {one["address"] for one in result["certificates"]}


def test_contents(middle: Authority) -> None:
    issued = middle.issue("a.example.org", ends=-DAY)
    text = pki.to_pem(*issued.chain).decode()
    result = run_module("cert_expiry", contents=[
        {"content": text, "label": "from a secret"}, base64.b64encode(pki.to_der(issued.cert)).decode(),
        {"content": "nonsense!", "label": "bad"},
    ])
    assert problems(result) == {"from a secret": ["expired"], "contents[1]": ["expired"], "bad": ["unreadable"]}
    assert {one["kind"] for one in result["certificates"]} == {"content"}


def test_a_pair_whose_file_is_missing_is_not_called_fresh(tmp_path: Path) -> None:
    from tests.support.tls_servers import TlsServer, context_for

    issued = pki.root().issue("127.0.0.1")
    with TlsServer(context_for(issued)) as server:
        result = run_module("cert_expiry", pairs=[{"endpoint": server.at, "file": str(tmp_path / "gone.pem")}])
    assert result["checks"]["stale_in_memory"] == "unknown" and result["checks"]["unreadable"] == "critical"
