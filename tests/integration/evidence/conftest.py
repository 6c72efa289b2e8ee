# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store with a sealed incident in it, keys, and a local time-stamping authority."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncall_incident.evidence import checks, policy, sealing, signing
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.store import Store
from tests.support import incidents
from tests.support.need import need

TSA_CONFIG = """
[ tsa ]
default_tsa = local
[ local ]
serial = {place}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ ca ]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[ stamping ]
basicConstraints = CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ req ]
distinguished_name = dn
[ dn ]
"""


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


class Authority:
    """A time-stamping authority of our own: `openssl ts -reply` behind HTTP.

    Attributes:
        url: where it answers; ca: its certificate, for those who trust it.
        answer: replaces what it says, to play a broken one.
        authorization: the header of the last question.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.ca = place / "ca.pem"
        self.answer: bytes | None = None
        self.authorization = ""
        config = place / "openssl.cnf"
        config.write_text(TSA_CONFIG.format(place=place))
        (place / "serial").write_text("01\n")
        key: list[str | Path] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", config]
        openssl(
            "req", "-x509", *key, "-days", "2", "-subj", "/CN=test ca", "-keyout", place / "ca.key", "-out", self.ca, "-extensions", "ca",
        )
        openssl("req", *key, "-subj", "/CN=test tsa", "-keyout", place / "tsa.key", "-out", place / "tsa.csr")
        openssl(
            "x509", "-req", "-in", place / "tsa.csr", "-CA", self.ca, "-CAkey", place / "ca.key", "-CAcreateserial", "-days", "2",
            "-out", place / "tsa.pem", "-extfile", config, "-extensions", "stamping",
        )
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                authority.authorization = self.headers.get("Authorization", "")
                query = self.rfile.read(int(self.headers["Content-Length"]))
                body = authority.reply(query) if authority.answer is None else authority.answer
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reply(self, query: bytes) -> bytes:
        (self.place / "query.tsq").write_bytes(query)
        openssl(
            "ts", "-reply", "-config", self.place / "openssl.cnf", "-section", "local", "-queryfile", self.place / "query.tsq",
            "-signer", self.place / "tsa.pem", "-inkey", self.place / "tsa.key", "-out", self.place / "reply.tsr",
        )
        return (self.place / "reply.tsr").read_bytes()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    need(shutil.which("openssl"), "openssl")
    made = Authority(tmp_path_factory.mktemp("tsa"))
    yield made
    made.end()


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set where the tests run must not decide them."""
    need(shutil.which("ssh-keygen"), "ssh-keygen")
    for name in list(os.environ):
        if name.startswith("INCIDENT_") and name != "INCIDENT_TEST_REQUIRE_ALL":
            monkeypatch.delenv(name)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def make_key(path: Path, comment: str) -> Path:
    """An SSH key without a passphrase."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], check=True, timeout=60)
    return path


class Case:
    """One incident in a store of its own, its signer, and what checking its bundle says."""

    def __init__(self, home: Path, *, seal: bool = True, url: str | None = None) -> None:
        self.home = home
        self.store = Store(home)
        self.rules = policy.load("chitlaq")
        self.incident: Incident = incidents.tell(
            self.store, began=incidents.BEGIN, title="Logins hang", severity="P0", rules=self.rules,
        )
        self.signer = signing.Signer("ann@ctl1", make_key(home / "keys" / "ann", "ann@ctl1"), "file")
        self.allowed = signing.remember(home, self.signer)
        if seal:
            self.seal(url=url)

    @property
    def bundle(self) -> Path:
        return self.incident.bundle

    def seal(self, *more: signing.Signer, url: str | None = None) -> sealing.Sealed:
        return sealing.seal(self.incident, signers=[self.signer, *more], authority=url)

    def check(self, bundle: Path | None = None, *, ca: Path | None = None) -> checks.Verdict:
        """As a third party with this signer on his list."""
        return checks.check(bundle or self.bundle, allowed=self.allowed, authority=ca)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A sealed one."""
    return Case(tmp_path / "home")


def said(verdict: checks.Verdict) -> str:
    """Everything that is wrong, in the words a person reads."""
    return "\n".join(f"{statement.what}: {problem}" for statement in verdict.statements for problem in statement.problems)
