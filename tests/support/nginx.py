# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real NGINX in a directory of its own, on ports of its own, ended with the test."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.acme import answers
from tests.support.need import need
from tests.support.until import until

DOUBLES = Path(__file__).resolve().parent / "doubles"

CONFIGURATION = """
{user}
daemon off;
worker_processes 2;
pid {place}/nginx.pid;
error_log {place}/error.log notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{
        listen {address}:{http_port};
        location /.well-known/acme-challenge/ {{ root {place}/webroot; default_type text/plain; }}
    }}
{servers}
}}
"""
SERVER = """
    server {{
        {listens}
        server_name {name};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{ return 200 "served"; }}
    }}
"""


@dataclass(frozen=True)
class Host:
    """One name that it serves."""

    name: str
    certificate: Path
    key: Path


@dataclass
class Nginx:
    """An instance below the stand-in for systemctl, which starts, reloads and ends it.

    Attributes:
        place: its directory: configuration, logs, and the stand-in's files.
        hosts: what it serves.
        addresses: on which it listens for TLS.
        tls_port, http_port: where.
    """

    place: Path
    hosts: Sequence[Host]
    tls_port: int
    http_port: int
    addresses: Sequence[str] = ("127.0.0.1",)
    unit: str = "nginx"
    binary: str = field(init=False)

    def __post_init__(self) -> None:
        self.binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
        need(self.binary, "Debian's nginx-light")
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "webroot").mkdir(exist_ok=True)
        self.configure()
        (self.place / "command").write_text(json.dumps([self.binary, *self.arguments]))
        (self.place / "inside").write_text(json.dumps({"nginx": [self.binary, *self.arguments]}))
        (self.place / "reload").write_text(json.dumps([self.binary, *self.arguments, "-s", "reload"]))

    @property
    def arguments(self) -> list[str]:
        """What makes it this instance."""
        # Before it reads its configuration it would write into the system's log.
        return ["-p", str(self.place), "-c", str(self.place / "nginx.conf"), "-e", str(self.place / "error.log")]

    @property
    def validate(self) -> list[str]:
        """The command that asks whether its configuration is valid."""
        return [self.binary, *self.arguments, "-t"]

    @property
    def configuration(self) -> Path:
        """Its configuration."""
        return self.place / "nginx.conf"

    def configure(self) -> None:
        """Write the configuration."""
        listens = " ".join(f"listen {address}:{self.tls_port} ssl;" for address in self.addresses)
        servers = "".join(
            SERVER.format(listens=listens, name=host.name, certificate=host.certificate, key=host.key) for host in self.hosts
        )
        # Its workers must get into the test's directory, which belongs to whoever runs the test.
        user = "user root;" if os.geteuid() == 0 else ""
        self.configuration.write_text(CONFIGURATION.format(
            user=user, place=self.place, address=self.addresses[0], http_port=self.http_port, servers=servers,
        ))

    def start(self) -> None:
        """Start it and wait until it answers and has written its last file: the pid comes after the listening sockets."""
        self.systemctl("start", self.unit)
        written = self.place / "nginx.pid"
        until(
            lambda: all(answers(self.tls_port, address) for address in self.addresses) and answers(self.http_port, self.addresses[0])
            and written.exists() and written.read_text().strip() == str(self.pid),
            what=f"NGINX; see {self.place / 'error.log'}",
        )

    def stop(self) -> None:
        """End it."""
        self.systemctl("stop", self.unit)

    def reload(self) -> None:
        """Reload it behind everybody's back."""
        self.systemctl("reload", self.unit)

    def systemctl(self, *words: str) -> str:
        """Call the stand-in."""
        done = subprocess.run(
            [str(DOUBLES / "systemctl"), *words], env={"SYSTEMCTL_DOUBLE": str(self.place), "PATH": "/usr/bin:/bin"}, text=True,
            stdout=subprocess.PIPE, check=True, timeout=60,
        )
        return done.stdout

    def calls(self, verb: str) -> int:
        """How often the stand-in was asked for something."""
        path = self.place / "calls"
        return sum(verb in line.split() for line in path.read_text().splitlines()) if path.exists() else 0

    @property
    def pid(self) -> int:
        """The master process."""
        return int((self.place / "pid").read_text())

    def serial(self, name: str, address: str = "") -> str:
        """The serial number that it serves, as openssl prints it."""
        return serial_at(address or self.addresses[0], self.tls_port, name)


def serial_at(address: str, port: int, name: str) -> str:
    """The serial number of the certificate that is served, whatever is wrong with it."""
    from cryptography import x509

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=20) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
        found = secure.getpeercert(binary_form=True)
    assert found
    text = f"{x509.load_der_x509_certificate(found).serial_number:X}"
    return text if len(text) % 2 == 0 else f"0{text}"
