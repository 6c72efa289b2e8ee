# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server with certificates from a real ACME server, and the playbook against it.

There is no systemd in a test: `systemctl` is a stand-in that really starts, reloads and ends a real NGINX.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from tests.support.acme import TRUST, Acme, Certbot, answers, pebble
from tests.support.nginx import DOUBLES, Host, Nginx
from tests.support.pki import Authority, Issued, root, to_pem
from tests.support.run_module import run_module
from tests.support.site import Ended, Site
from tests.support.until import until

WWW, API = "www.example.org", "api.example.org"
#: How an action ends that did not work: without an answer in time, on a busy machine, nobody knows what became of it.
NOT_DONE = {"failed", "unknown"}
#: For a run that must end as not recovered: how long verify goes on looking makes no difference to what it says.
LOST = {"verify_timeout": "2s", "verify_hold": "0s"}
#: On which NGINX listens: a renewed certificate must be served on each.
ADDRESSES = ("127.0.0.1", "127.0.0.2")


@dataclass
class Base:
    """What the tests of a process share: the ACME server, and a certbot that once got its certificates."""

    place: Path
    acme: Acme
    certbot: Certbot
    tls_port: int
    http_port: int
    authority: Authority
    saved: Path = field(init=False)

    def __post_init__(self) -> None:
        self.saved = self.place / "saved"


@pytest.fixture(scope="session")
def base() -> Iterator[Base]:
    """Started when first asked for. A short path: NGINX and Ansible keep sockets and long names there."""
    tls_port, http_port = free_ports(2, addresses=(*ADDRESSES, "127.0.0.3"))
    place = Path(tempfile.mkdtemp(prefix="renewal-"))
    try:
        with pebble(http_port) as acme:
            certbot = Certbot(acme=acme, config=place / "letsencrypt", webroot=place / "nginx" / "webroot")
            found = Base(place, acme, certbot, tls_port, http_port, root().intermediate())
            nginx = Nginx(place=place / "nginx", hosts=[], tls_port=tls_port, http_port=http_port)
            nginx.systemctl("start", "nginx")
            try:
                until(lambda: answers(http_port), what="NGINX")
                for name in (WWW, API):
                    certbot.obtain(name)
            finally:
                nginx.stop()
            shutil.copytree(certbot.config, found.saved, symlinks=True)
            yield found
    finally:
        shutil.rmtree(place, ignore_errors=True)


@dataclass
class Web:
    """One web server, and how it is played against."""

    base: Base
    site: Site
    nginx: Nginx
    names: Sequence[str]
    variables: dict[str, Any] = field(default_factory=dict)
    #: A snapshot costs seconds; the run that recovers takes one.
    snapshot: bool = False

    # The server.

    def serial(self, name: str = WWW, address: str = ADDRESSES[0]) -> str:
        """What it serves."""
        return self.nginx.serial(name, address)

    def on_disk(self, name: str = WWW) -> str:
        """The serial number in certbot's file."""
        out = subprocess.run(
            ["openssl", "x509", "-noout", "-serial", "-in", str(self.live(name) / "fullchain.pem")], capture_output=True, text=True,
            check=True, timeout=30,
        ).stdout
        return out.strip().partition("=")[2]

    def live(self, name: str = WWW) -> Path:
        """The directory of a certificate."""
        return self.base.certbot.live(name)

    def put(self, issued: Issued, name: str = WWW) -> None:
        """Put a certificate where certbot's present one is, with the chain and the key."""
        live = self.live(name)
        for what, data in {
            "cert": to_pem(issued.cert), "fullchain": to_pem(*issued.chain), "chain": to_pem(*issued.above), "privkey": issued.key_pem,
        }.items():
            (live / f"{what}.pem").resolve().write_bytes(data)

    def expired(self, name: str = WWW, *, ago: timedelta = timedelta(hours=2)) -> Issued:
        """One that has expired."""
        return self.base.authority.issue(name, starts=-timedelta(days=90), ends=-ago)

    def renewed_by_others(self, name: str = WWW) -> None:
        """A newer one is on the disk, and nobody told the server."""
        self.put(self.base.authority.issue(name, starts=timedelta(0)), name)

    @property
    def trusted(self) -> dict[str, str]:
        """The ACME server's root, as a private CA would be stated."""
        path = self.site.place / "root.pem"
        path.write_text(self.base.acme.issuer())
        return {"ca_path": str(path)}

    # The run.

    def lineage(self, name: str = WWW, **more: Any) -> dict[str, Any]:
        """A lineage that is served on every address."""
        endpoints = [
            {"host": name, "address": address, "port": self.nginx.tls_port, "label": f"{name}@{address}"}
            for address in self.nginx.addresses
        ]
        return {"name": name, "names": [name], "endpoints": endpoints, **more}

    def play(self, *arguments: str, playbook: str | Path | None = None, **variables: Any) -> Ended:
        """Run the scenario; certificate_ is left out of variables' names."""
        self._hosts(variables)
        return self.site.play(*arguments, playbook=playbook, **self.environ)

    def incident(self, *arguments: str, **variables: Any) -> tuple[int, dict[str, Any], str]:
        """Run the scenario by the command incident: status, JSON, what was shown."""
        self._hosts(variables)
        done = self.site.incident(*arguments, "--json", **self.environ)
        return done.status, done.data, done.stderr

    @property
    def environ(self) -> dict[str, str]:
        """Where the stand-in for systemctl is, and which server it means."""
        return {"PATH": f"{DOUBLES}/compose:{DOUBLES}:{self.site.bin}:/usr/bin:/bin", "SYSTEMCTL_DOUBLE": str(self.nginx.place)}

    @property
    def module_args(self) -> dict[str, Any]:
        """What the role would give to cert_renew."""
        return {
            "config_dir": str(self.base.certbot.config), "certbot_args": self.base.certbot.args, "validate": self.nginx.validate,
            "backup_dir": str(self.backups), "lineages": [{"name": name, "names": [name]} for name in self.names],
        }

    def renew(self, *, check: bool = False, **args: Any) -> dict[str, Any]:
        """Run the module cert_renew alone."""
        os.environ[TRUST] = str(self.base.acme.ca)
        try:
            return run_module("cert_renew", check=check, **{**self.module_args, **args})
        finally:
            del os.environ[TRUST]

    @property
    def backups(self) -> Path:
        """Where backups go."""
        return self.base.place / "backups"

    def tree(self) -> dict[str, str]:
        """Everything that must be as it was: certificates, backups, the server's files; without its log."""
        return {
            **tree(self.base.certbot.config), **tree(self.backups),
            **{path: what for path, what in tree(self.nginx.place).items() if not path.endswith(("calls", "error.log"))},
        }

    def _hosts(self, variables: Mapping[str, Any]) -> None:
        ours = {
            "lineages": [self.lineage(name) for name in self.names], "config_dir": str(self.base.certbot.config),
            "certbot_args": self.base.certbot.args, "backup_dir": str(self.backups),
            # The command incident passes on no variable that it does not know.
            "environment": {TRUST: str(self.base.acme.ca), "SYSTEMCTL_DOUBLE": str(self.nginx.place)},
            "validate": self.nginx.validate, "service_timeout": "20s", "verify_hold": "500ms", "verify_timeout": "20s", "timeout": "10s",
            **self.variables, **variables,
        }
        prefixed = {f"certificate_{name}": value for name, value in ours.items()}
        self.site.group("web", web1={"evidence_snapshot": self.snapshot, **prefixed})


def contents(web: Web) -> dict[str, str]:
    """What is in the lineages' files, with mode and owner, and where their links lead; not when they were written.

    What certbot keeps elsewhere, each new key and request, is nobody's concern.
    """
    config = web.base.certbot.config
    return {
        path: " ".join(part for number, part in enumerate(what.split(" ")) if number != 2)
        for place in ("live", "archive", "renewal") for path, what in tree(config / place).items() if not what.startswith("d")
    }


def tree(place: Path) -> dict[str, str]:
    """What is below a directory: kind, mode, owner, time of change, and content."""
    found = {}
    for path in sorted([place, *place.rglob("*")]) if place.exists() else []:
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {status.st_mtime_ns} {what}"
    return found


@pytest.fixture
def web(base: Base, tmp_path: Path) -> Iterator[Web]:
    """A server with a good certificate of www.example.org, from the ACME server."""
    yield from _serve(base, tmp_path, [WWW])


@pytest.fixture
def two(base: Base, tmp_path: Path) -> Iterator[Web]:
    """A server with two."""
    yield from _serve(base, tmp_path, [WWW, API])


@pytest.fixture
def expired(base: Base, tmp_path: Path) -> Iterator[Web]:
    """A server whose certificate has expired."""
    yield from _serve(base, tmp_path, [WWW], expired=True)


def _serve(base: Base, place: Path, names: Sequence[str], *, expired: bool = False) -> Iterator[Web]:
    for directory in (base.certbot.config, base.place / "backups", base.place / "nginx"):
        shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(base.saved, base.certbot.config, symlinks=True)
    hosts = [Host(name, base.certbot.live(name) / "fullchain.pem", base.certbot.live(name) / "privkey.pem") for name in names]
    nginx = Nginx(place=base.place / "nginx", hosts=hosts, tls_port=base.tls_port, http_port=base.http_port, addresses=ADDRESSES)
    short = Path(tempfile.mkdtemp(prefix="oncall-"))
    site = Site(short, playbook="certificate-renewal")
    found = Web(base=base, site=site, nginx=nginx, names=names)
    try:
        for name in names if expired else ():
            found.put(found.expired(name), name)
        nginx.start()
        yield found
    finally:
        nginx.stop()
        shutil.rmtree(short, ignore_errors=True)
