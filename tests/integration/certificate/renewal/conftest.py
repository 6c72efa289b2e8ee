# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web servers with certificates from a real ACME server, and the playbook against them.

There is no systemd in a test: `systemctl` is a stand-in that really starts, reloads and ends a real NGINX. Each server has addresses,
a directory, a certbot and a stand-in of its own, and is a host of one inventory: one play shows what becomes of all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
#: For a host that must end as not recovered: how long verify goes on looking makes no difference to what it says.
LOST: Mapping[str, Any] = {"verify_timeout": "1s", "verify_hold": "0s"}
#: A run with a dozen hosts, in seconds, on a busy machine.
LONG = 1500
#: More servers than any test has.
SERVERS = 20


def addresses(number: int) -> list[str]:
    """On which a server listens: a renewed certificate must be served on each. 127.0.0.1 is where the ACME server looks."""
    return [f"127.0.{number}.1", f"127.0.{number}.2"]


@dataclass
class Base:
    """What the tests of a process share: the ACME server, and a certbot that once got its certificates."""

    place: Path
    acme: Acme
    certbot: Certbot
    tls_port: int
    http_port: int
    root: Authority
    authority: Authority
    saved: Path = field(init=False)

    def __post_init__(self) -> None:
        self.saved = self.place / "saved"

    @property
    def trusted(self) -> str:
        """A file with the roots of the ACME server and of the tests' own authority, as a private CA would be stated."""
        path = self.place / "roots.pem"
        path.write_text(self.acme.issuer() + to_pem(self.root.cert).decode())
        return str(path)


@pytest.fixture(scope="session")
def base() -> Iterator[Base]:
    """Started when first asked for. A short path: NGINX and Ansible keep sockets and long names there."""
    everywhere = [address for number in range(1, SERVERS) for address in addresses(number)]
    tls_port, http_port = free_ports(2, addresses=("127.0.0.1", *everywhere))
    place = Path(tempfile.mkdtemp(prefix="renewal-"))
    try:
        with pebble(http_port) as acme:
            # It answers the ACME server's questions for every name.
            front = Nginx(place=place / "front", hosts=[], tls_port=tls_port, http_port=http_port)
            certbot = Certbot(acme=acme, config=place / "letsencrypt", webroot=front.place / "webroot")
            private = root()
            found = Base(place, acme, certbot, tls_port, http_port, private, private.intermediate())
            front.systemctl("start", "nginx")
            try:
                until(lambda: answers(http_port), what="NGINX")
                for name in (WWW, API):
                    certbot.obtain(name)
                shutil.copytree(certbot.config, found.saved, symlinks=True)
                yield found
            finally:
                front.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True)
class Seen:
    """What a server and its files were like at one moment.

    Attributes:
        served: serial numbers by name and address; empty where nobody answers.
        on_disk: serial numbers in certbot's files, by name.
        contents, tree: the functions of these names.
        pid: NGINX's.
        reloads: how often it was told to reload.
    """

    served: dict[tuple[str, str], str]
    on_disk: dict[str, str]
    contents: dict[str, str]
    tree: dict[str, str]
    pid: int
    reloads: int

    def serials(self, name: str = WWW) -> set[str]:
        """What is served under a name, at all addresses."""
        return {serial for (served, _address), serial in self.served.items() if served == name}


@dataclass
class Web:
    """One web server: a directory with NGINX and certbot."""

    base: Base
    place: Path
    certbot: Certbot
    nginx: Nginx
    names: Sequence[str]

    def serial(self, name: str = WWW, address: str = "") -> str:
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
        return self.certbot.live(name)

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

    def rubbish(self) -> None:
        """Its configuration is not valid any more; it runs on with what it has read."""
        self.nginx.configuration.write_text(self.nginx.configuration.read_text() + "rubbish;")

    def renewal(self, old: str, new: str, name: str = WWW) -> None:
        """Change how certbot renews it."""
        conf = self.certbot.config / "renewal" / f"{name}.conf"
        text = conf.read_text()
        assert old in text
        conf.write_text(text.replace(old, new))

    def look(self) -> Seen:
        """What it is like now."""
        running = answers(self.nginx.tls_port, self.nginx.addresses[0])
        served = {(name, address): self.serial(name, address) if running else "" for name in self.names for address in self.nginx.addresses}
        on_disk = {name: self.on_disk(name) for name in self.names if (self.live(name) / "fullchain.pem").exists()}
        return Seen(served, on_disk, contents(self), self.tree(), self.nginx.pid, self.nginx.calls("reload"))

    # What it is to the scenario.

    def lineage(self, name: str = WWW, **more: Any) -> dict[str, Any]:
        """A lineage that is served on every address."""
        endpoints = [
            {"host": name, "address": address, "port": self.nginx.tls_port, "label": f"{name}@{address}"}
            for address in self.nginx.addresses
        ]
        return {"name": name, "names": [name], "endpoints": endpoints, **more}

    def variables(self, **more: Any) -> dict[str, Any]:
        """Those of its host; certificate_ is left out of the names of more."""
        ours = {
            "lineages": [self.lineage(name) for name in self.names], "config_dir": str(self.certbot.config),
            "certbot_args": self.certbot.args, "backup_dir": str(self.backups),
            "environment": {TRUST: str(self.base.acme.ca), "SYSTEMCTL_DOUBLE": str(self.nginx.place)},
            "service_name": self.nginx.unit, "validate": self.nginx.validate,
            "service_timeout": "60s", "verify_hold": "500ms", "verify_timeout": "60s", "timeout": "10s",
            **more,
        }
        return {f"certificate_{name}": value for name, value in ours.items()}

    @property
    def compose(self) -> dict[str, Any]:
        """NGINX in a container, certbot beside it: validated and reloaded inside."""
        project = f"/opt/{self.place.name}"
        return {
            "service_runtime": "compose", "service_name": "nginx", "validate": ["nginx", "-t"], "reload_command": ["nginx", "-s", "reload"],
            "compose_directory": project, "compose_files": [f"{project}/compose.yml"],
        }

    # The module alone.

    @property
    def module_args(self) -> dict[str, Any]:
        """What the role would give to cert_renew."""
        return {
            "config_dir": str(self.certbot.config), "certbot_args": self.certbot.args, "validate": self.nginx.validate,
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
        return self.place / "backups"

    def tree(self) -> dict[str, str]:
        """Everything that must be as it was: certificates, backups, the server's files; without its log."""
        return {
            **tree(self.certbot.config), **tree(self.backups),
            **{path: what for path, what in tree(self.nginx.place).items() if not path.endswith(("calls", "error.log"))},
        }


def contents(web: Web) -> dict[str, str]:
    """What is in the lineages' files, with mode and owner, and where their links lead; not when they were written.

    What certbot keeps elsewhere, each new key and request, is nobody's concern.
    """
    config = web.certbot.config
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


@contextmanager
def serving(base: Base, name: str, *names: str, number: int = 1, expired: bool = False) -> Iterator[Web]:
    """A server with certificates of these names, and a directory of this name.

    Those of WWW and API are the ACME server's, others the tests' own authority's.
    """
    place = base.place / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    certbot = Certbot(acme=base.acme, config=place / "letsencrypt", webroot=base.certbot.webroot)
    shutil.copytree(base.saved, certbot.config, symlinks=True)
    for conf in (certbot.config / "renewal").glob("*.conf"):
        conf.write_text(conf.read_text().replace(str(base.certbot.config), str(certbot.config)))
    hosts = [Host(one, certbot.live(one) / "fullchain.pem", certbot.live(one) / "privkey.pem") for one in names]
    nginx = Nginx(
        place=place / "nginx", hosts=hosts, tls_port=base.tls_port, http_port=base.http_port, addresses=addresses(number),
        # On one machine two hosts with one unit are the same server by two names, and no run acts on both at once.
        unit=f"nginx-{name}",
    )
    web = Web(base=base, place=place, certbot=certbot, nginx=nginx, names=names)
    for one in names:
        if not web.live(one).exists():
            web.live(one).mkdir()
            web.put(base.authority.issue(one), one)
        if expired:
            web.put(web.expired(one), one)
    try:
        nginx.start()
        yield web
    finally:
        nginx.stop()


@pytest.fixture
def web(base: Base) -> Iterator[Web]:
    """A server with a good certificate of www.example.org, from the ACME server."""
    with serving(base, "web", WWW) as found:
        yield found


@pytest.fixture
def two(base: Base) -> Iterator[Web]:
    """A server with two."""
    with serving(base, "web", WWW, API) as found:
        yield found


@pytest.fixture
def expired(base: Base) -> Iterator[Web]:
    """A server whose certificate has expired."""
    with serving(base, "web", WWW, expired=True) as found:
        yield found


@dataclass(frozen=True)
class Played:
    """A run, and what the servers were like before and after it.

    Attributes:
        orders: how many certificates the ACME server was asked for meanwhile.
    """

    ended: Ended
    before: Mapping[str, Seen]
    after: Mapping[str, Seen]
    orders: int

    def carried_out(self, host: str) -> list[tuple[str, str]]:
        """Verb and outcome of the actions of a host."""
        return [(action["verb"], action["outcome"]) for action in self.ended.actions(host)]


@dataclass
class Fleet:
    """Servers, each a host, and the scenario that is played against all of them."""

    base: Base
    site: Site
    stack: ExitStack
    webs: dict[str, Web] = field(default_factory=dict)

    def add(self, name: str, *names: str, expired: bool = False) -> Web:
        """Start a server, by default of www.example.org."""
        number = len(self.webs) + 1
        assert number < SERVERS
        self.webs[name] = self.stack.enter_context(serving(self.base, name, *(names or [WWW]), number=number, expired=expired))
        return self.webs[name]

    def play(
        self, hosts: Mapping[str, Mapping[str, Any]], *arguments: str, command: bool = False, playbook: str | Path | None = None,
    ) -> Played:
        """Run the scenario, or another playbook, with these hosts' variables.

        Args:
            command: by the command incident.
        """
        # A snapshot costs seconds: where it is not meant, none is taken.
        self.site.group("web", **{name: {"evidence_snapshot": False, **variables} for name, variables in hosts.items()})
        nobody = self.base.place / "nobody"
        nobody.mkdir(exist_ok=True)
        # Which server a stand-in means, only the variables of its host say.
        environ = {
            "PATH": f"{DOUBLES}/compose:{DOUBLES}:{self.site.bin}:/usr/bin:/bin", "SYSTEMCTL_DOUBLE": str(nobody),
        }
        before, orders = self._look(hosts), self.base.acme.orders
        if command:
            ended = self.site.incident(*arguments, "--json", **environ)
        else:
            ended = self.site.play(*arguments, playbook=playbook, **environ)
        return Played(ended, before, self._look(hosts), self.base.acme.orders - orders)

    def _look(self, hosts: Mapping[str, Any]) -> dict[str, Seen]:
        return {name: self.webs[name].look() for name in hosts}


@pytest.fixture(scope="module")
def fleet(base: Base) -> Iterator[Fleet]:
    """No server yet."""
    short = Path(tempfile.mkdtemp(prefix="oncall-"))
    try:
        with ExitStack() as stack:
            yield Fleet(base, Site(short, playbook="certificate-renewal", seconds=LONG), stack)
    finally:
        shutil.rmtree(short, ignore_errors=True)
