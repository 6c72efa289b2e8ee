# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ACME server, Debian's pebble, and certbot against it: everything in a directory, on the loopback, ended with the test.

It checks http-01 at the port of a web server that the test runs; every name leads to 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.ports import free_ports
from tests.support import pki
from tests.support.need import need
from tests.support.until import until

#: What is passed to a certbot that must find its server: the CA of the server's own certificate.
TRUST = "REQUESTS_CA_BUNDLE"


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def need_acme() -> None:
    """What these tests need from the machine."""
    for program, package in (("pebble", "pebble"), ("pebble-challtestsrv", "pebble"), ("certbot", "certbot"), ("openssl", "openssl")):
        need(shutil.which(program), f"Debian's {package}")


@dataclass
class Acme:
    """A running pebble.

    Attributes:
        place: its directory.
        http_port: where it looks for http-01 answers.
        lifetime: of the certificates that it issues, seconds.
    """

    place: Path
    http_port: int
    lifetime: int = 90 * 86400
    port: int = 0
    ca: Path = field(init=False)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def directory(self) -> str:
        """The URL that clients begin with."""
        return f"https://localhost:{self.port}/dir"

    @property
    def orders(self) -> int:
        """How many certificates were asked for."""
        return (self.place / "pebble.log").read_text(errors="replace").count("POST /order-plz")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.place.mkdir(exist_ok=True)
        self.ca = self.place / "ca.pem"
        if not self.ca.exists():
            own = pki.root("Pebble's own")
            own.write(self.ca)
            own.intermediate().issue("localhost").write(self.place, name="srv")
            self.port, self._management, self._dns, self._challenges = free_ports(4)
        (self.place / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.place / "srv.pem"), "privateKey": str(self.place / "srv.key"),
            "httpPort": self.http_port, "tlsPort": 5001, "certificateValidityPeriod": self.lifetime,
        }}))
        self._run([
            "pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{self._dns}", "-http01", "",
            "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{self._challenges}",
        ], "challenges.log")
        until(lambda: answers(self._challenges), what="pebble-challtestsrv")
        self._run(
            ["pebble", "-config", str(self.place / "pebble.json"), "-dnsserver", f"127.0.0.1:{self._dns}", "-strict=false"], "pebble.log",
        )
        until(lambda: answers(self.port) and answers(self._management), what="pebble")

    def stop(self) -> None:
        """End it."""
        while self._processes:
            process = self._processes.pop()
            process.kill()
            process.wait(timeout=20)

    def issuer(self) -> str:
        """Its root certificate, PEM: a new one with every start."""
        import urllib.request

        context = ssl.create_default_context(cafile=str(self.ca))
        # The management port's certificate is the same one, for localhost.
        with urllib.request.urlopen(f"https://localhost:{self._management}/roots/0", context=context, timeout=10) as answer:
            return str(answer.read().decode())

    def _run(self, argv: Sequence[str], log: str) -> None:
        # Neither waits at random nor refuses good nonces at random: those are pebble's own drills for clients.
        env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        with (self.place / log).open("ab") as out:
            self._processes.append(subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, cwd=self.place,
            ))


@dataclass(frozen=True)
class Certbot:
    """certbot with directories of its own."""

    acme: Acme
    config: Path
    webroot: Path

    @property
    def args(self) -> list[str]:
        """What a test adds to every call so that it stays in its directory."""
        beside = self.config.parent
        return ["--work-dir", str(beside / "work"), "--logs-dir", str(beside / "logs"), "--server", self.acme.directory]

    def obtain(self, name: str, *more: str) -> None:
        """Get the first certificate."""
        argv = [
            "certbot", "certonly", "--webroot", "--webroot-path", str(self.webroot), "--non-interactive", "--agree-tos",
            "--register-unsafely-without-email", "--config-dir", str(self.config), *self.args, "--key-type", "ecdsa", "-d", name,
            *(word for one in more for word in ("-d", one)), "--cert-name", name,
        ]
        done = subprocess.run(
            argv, env={**os.environ, TRUST: str(self.acme.ca)}, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def live(self, name: str) -> Path:
        """The directory of a certificate."""
        return self.config / "live" / name


@contextlib.contextmanager
def pebble(http_port: int, *, lifetime: int = 90 * 86400) -> Iterator[Acme]:
    """A pebble for the time of a test."""
    need_acme()
    place = Path(tempfile.mkdtemp(prefix="pebble-"))
    acme = Acme(place=place, http_port=http_port, lifetime=lifetime)
    try:
        acme.start()
        yield acme
    finally:
        acme.stop()
        shutil.rmtree(place, ignore_errors=True)
