# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_expiry and what CAs say: revocation by CRL and OCSP, renewal information, from servers on the loopback."""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.acme_renewal import certificate_id
from ansible_collections.oncall.incident.plugins.module_utils._certificate.parse import parse
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from demo.ports import free_port
from tests.support import pki
from tests.support.pki import DAY, Authority, Issued
from tests.support.run_module import run_module
from tests.support.tls_servers import HttpServer, TlsServer, context_for
from tests.support.until import until

HERE = "127.0.0.1"


def look(issued: Issued, root: Authority, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """Look at a server that serves it."""
    with TlsServer(context_for(issued)) as server:
        result = run_module("cert_expiry", endpoints=[server.at], ca_path=str(root.write(tmp_path / "root.pem")), **more)
    assert "failed" not in result, result
    return result


def problems(result: dict[str, Any]) -> dict[str, str]:
    """Status by check of what is not ok, without what could not be looked at."""
    blind = {item["check"] for item in result["skipped_checks"] if item["kind"] == "could_not_look"}
    return {
        one["check"]: one["status"] for one in result["findings"]
        if one["status"] != "ok" and not (one["status"] == "unknown" and one["check"] in blind and "reason" in one["detail"])
    }


def reasons(result: dict[str, Any], check: str) -> str:
    """Why a check was skipped."""
    return " ".join(one["reason"] for one in result["skipped_checks"] if one["check"] == check)


@pytest.fixture(scope="module")
def root() -> Authority:
    """A CA that the tests trust."""
    return pki.root()


@pytest.fixture(scope="module")
def middle(root: Authority) -> Authority:
    """The CA below it that issues."""
    return root.intermediate()


def test_revoked_by_crl(root: Authority, middle: Authority, tmp_path: Path) -> None:
    answers: dict[str, Any] = {}
    with HttpServer(answers) as http:
        issued = middle.issue(HERE, crl=f"{http.url}/ca.crl")
        answers["/ca.crl"] = middle.crl(issued.cert)
        unasked = look(issued, root, tmp_path)
        assert http.asked == [] and "revoked" not in unasked["checks"]
        result = look(issued, root, tmp_path, check_revocation=True)
        answers["/ca.crl"] = middle.crl()
        clean = look(issued, root, tmp_path, check_revocation=True)
    assert problems(result) == {"revoked": "critical"} and result["recovery"] == "renew"
    (found,) = [one for one in result["findings"] if one["check"] == "revoked"]
    assert found["observed"] == "keyCompromise" and found["detail"]["source"] == f"CRL {http.url}/ca.crl"
    assert problems(clean) == {} and clean["checks"]["revoked"] == "ok"


@pytest.mark.parametrize(("make", "said"), [
    (lambda middle, cert: middle.crl(cert, key=pki.new_key()), "not signed by the CA"),
    (lambda middle, cert: pki.root("Somebody").crl(cert), "not signed by the CA"),
    (lambda middle, _cert: middle.crl(next_update=-DAY / 2), "expired"),
    (lambda _middle, _cert: b"<html>captive portal</html>", "not readable"),
    (lambda _middle, _cert: None, "404"),
])
def test_a_crl_of_no_use_neither_revokes_nor_clears(root: Authority, middle: Authority, tmp_path: Path, make: Any, said: str) -> None:
    answers: dict[str, Any] = {}
    with HttpServer(answers) as http:
        issued = middle.issue(HERE, crl=f"{http.url}/ca.crl")
        answers["/ca.crl"] = make(middle, issued.cert)
        result = look(issued, root, tmp_path, check_revocation=True)
    assert problems(result) == {} and (result["status"], result["healthy"]) == ("unknown", None)
    assert result["checks"]["revoked"] == "unknown" and said in reasons(result, "revoked")


def test_a_responder_that_is_down_holds_nothing_up(root: Authority, middle: Authority, tmp_path: Path) -> None:
    with TlsServer(None) as silent, TlsServer(None) as gone:
        gone.close()
        issued = middle.issue(HERE, ocsp=f"http://{silent.at}/", crl=f"http://{gone.at}/ca.crl")
        result = look(issued, root, tmp_path, check_revocation=True, timeout="6s")
    assert problems(result) == {} and result["checks"]["revoked"] == "unknown"


def responder(issued: Issued, issuer: Authority, *, status: ocsp.OCSPCertStatus, signer: Issued | Authority) -> Any:
    """An OCSP responder about one certificate."""
    def answer(body: bytes) -> bytes:
        asked = ocsp.load_der_ocsp_request(body)
        assert asked.serial_number == issued.cert.serial_number
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        built = ocsp.OCSPResponseBuilder().add_response(
            cert=issued.cert, issuer=issuer.cert, algorithm=hashes.SHA1(), cert_status=status, this_update=pki.now() - DAY,
            next_update=pki.now() + DAY, revocation_time=pki.now() - DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.superseded if revoked else None,
        ).responder_id(ocsp.OCSPResponderEncoding.HASH, signer.cert)
        if signer.cert is not issuer.cert:
            built = built.certificates([signer.cert])
        return built.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    return answer


@pytest.mark.parametrize(("status", "found"), [
    (ocsp.OCSPCertStatus.GOOD, {}), (ocsp.OCSPCertStatus.REVOKED, {"revoked": "critical"}),
])
def test_ocsp(root: Authority, middle: Authority, tmp_path: Path, status: ocsp.OCSPCertStatus, found: dict[str, str]) -> None:
    answers: dict[str, Any] = {}
    with HttpServer(answers) as http:
        issued = middle.issue(HERE, ocsp=f"{http.url}/ocsp")
        answers["/ocsp"] = responder(issued, middle, status=status, signer=middle)
        result = look(issued, root, tmp_path, check_revocation=True)
    assert problems(result) == found and result["checks"]["revoked"] == (found.get("revoked") or "ok")


def test_ocsp_signed_by_somebody_else_says_nothing(root: Authority, middle: Authority, tmp_path: Path) -> None:
    """A server's certificate of the same CA is no responder."""
    answers: dict[str, Any] = {}
    with HttpServer(answers) as http:
        issued = middle.issue(HERE, ocsp=f"{http.url}/ocsp")
        answers["/ocsp"] = responder(issued, middle, status=ocsp.OCSPCertStatus.REVOKED, signer=middle.issue("other.example.org"))
        result = look(issued, root, tmp_path, check_revocation=True)
    assert problems(result) == {} and "not signed by the CA" in reasons(result, "revoked")


@pytest.mark.parametrize(("status", "found"), [
    (ocsp.OCSPCertStatus.GOOD, {}), (ocsp.OCSPCertStatus.REVOKED, {"revoked": "critical"}),
])
def test_a_stapled_answer(
    root: Authority, middle: Authority, tmp_path: Path, status: ocsp.OCSPCertStatus, found: dict[str, str],
) -> None:
    """From a real server: openssl s_server. The responder that the certificate names does not exist."""
    issued = middle.issue(HERE, ocsp="http://127.0.0.1:1/", must_staple=True)
    answer = ocsp.OCSPResponseBuilder().add_response(
        cert=issued.cert, issuer=middle.cert, algorithm=hashes.SHA256(), cert_status=status, this_update=pki.now() - DAY,
        next_update=pki.now() + DAY, revocation_time=pki.now() - DAY if found else None, revocation_reason=None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, middle.cert).sign(middle.key, hashes.SHA256())
    (tmp_path / "staple.der").write_bytes(answer.public_bytes(serialization.Encoding.DER))
    cert_file, key_file = issued.write(tmp_path)
    (tmp_path / "above.pem").write_bytes(pki.to_pem(*issued.above))
    port = free_port()
    argv = ["openssl", "s_server", "-accept", f"{HERE}:{port}", "-cert", cert_file, "-cert_chain", "above.pem", "-key", key_file]
    ca_path = str(root.write(tmp_path / "root.pem"))
    stated = {"endpoints": [f"{HERE}:{port}"], "ca_path": ca_path, "check_revocation": True, "timeout": "20s"}
    for more, expected in ((["-status_file", "staple.der"], found), ([], {})):
        quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*argv, *more, "-quiet"], cwd=tmp_path, **quiet) as process:
            try:
                until(lambda: problems(run_module("cert_expiry", **stated)).get("unreachable") is None, what="openssl s_server")
                result = run_module("cert_expiry", **stated)
            finally:
                process.kill()
        assert problems(result) == expected
        assert result["checks"]["revoked"] == ("unknown" if not more else expected.get("revoked") or "ok")
    assert "asks for a stapled" in reasons(result, "revoked")


def window(start: datetime.timedelta, end: datetime.timedelta) -> bytes:
    """What a CA answers."""
    said = {name: (pki.now() + when).isoformat().replace("+00:00", ".123456789Z") for name, when in (("start", start), ("end", end))}
    return json.dumps({"suggestedWindow": said, "explanationURL": "https://ca.example.org/why"}).encode()


def test_renewal_information(root: Authority, middle: Authority, tmp_path: Path) -> None:
    answers: dict[str, Any] = {}
    issued = middle.issue(HERE)
    name = certificate_id(parse(pki.to_der(issued.cert)))
    trusted = str(root.write(tmp_path / "acme.pem"))
    with HttpServer(answers, context=context_for(middle.issue(HERE))) as acme:
        answers["/dir"] = json.dumps({"newNonce": f"{acme.url}/n", "renewalInfo": f"{acme.url}/info"}).encode()
        answers[f"/info/{name}"] = window(-DAY, DAY)
        asking = {"renewal": "acme", "acme_directory": f"{acme.url}/dir", "acme_ca_path": trusted}
        now = look(issued, root, tmp_path, **asking)
        answers[f"/info/{name}"] = window(DAY, 2 * DAY)
        later = look(issued, root, tmp_path, **asking)
        answers[f"/info/{name}"] = b'{"suggestedWindow": {"start": "soon"}}'
        nonsense = look(issued, root, tmp_path, **asking)
        answers["/dir"] = b'{"newNonce": "x"}'
        not_offered = look(issued, root, tmp_path, **asking)
        asked = len(acme.asked)
        switched_off = look(issued, root, tmp_path, **asking, ari=False)
        not_acme = look(issued, root, tmp_path, **{**asking, "renewal": "manual"})
        assert len(acme.asked) == asked
        distrusted = look(issued, root, tmp_path, **{**asking, "acme_ca_path": str(pki.root("No").write(tmp_path / "no.pem"))})
    assert problems(now) == {"renew_advised": "warning"} and now["recovery"] == "renew"
    assert [one["detail"]["explanation"] for one in now["findings"] if one["check"] == "renew_advised"] == ["https://ca.example.org/why"]
    assert problems(later) == {} and later["checks"]["renew_advised"] == "ok"
    assert problems(nonsense) == {} and nonsense["checks"]["renew_advised"] == "unknown"
    assert all("renew_advised" not in one["checks"] for one in (not_offered, switched_off, not_acme))
    assert "certificate verify failed" in reasons(distrusted, "renew_advised").lower()
