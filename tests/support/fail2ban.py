# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real fail2ban server of the test's own: its own configuration, socket, process id file, database and log, in a
network namespace of its own, so that its bans are real rules and nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .need import need
from .netns import Namespace, namespace
from .until import until

ETC = Path("/etc/fail2ban")
#: A jail that reads "Failed password for USER from ADDRESS port N ssh2" as sshd writes it.
FAILREGEX = r"^.*Failed password for (?:invalid user )?\S+ from <HOST>(?: port \d+)?(?: ssh\d*)?$"
JAIL = {"enabled": "true", "filter": "oncall", "port": "22", "protocol": "tcp", "backend": "polling", "maxretry": "3", "findtime": "10m",
        "bantime": "1h", "banaction": "nftables-multiport", "usedns": "no"}
#: nftables-multiport whose unban does nothing and says that it failed: the rule stays.
BROKEN_UNBAN = """
[INCLUDES]
before = nftables-multiport.conf
[Definition]
actionunban = test -e {flag} && exit 1; <nftables> delete element <table_family> <table> <addr_set> \\{{ <ip> \\}}
actionflush =
"""


@dataclass
class Fail2ban:
    """One that runs.

    Attributes:
        net: the namespace that it runs in.
        directory: everything of its own; short, since a socket's path must be.
        jails: name to settings, over JAIL's.
        actions: files of action.d by name, beside fail2ban's own.
        keeps: where it keeps its bans: a file, or None in words.
    """

    net: Namespace
    directory: Path
    jails: Mapping[str, Mapping[str, str]]
    actions: Mapping[str, str] = field(default_factory=dict)
    keeps: str = ""
    process: subprocess.Popen[bytes] | None = None
    _logs: dict[str, Path] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.directory / "s"

    @property
    def database(self) -> Path:
        """Its database."""
        return self.directory / "db.sqlite3"

    @property
    def config(self) -> Path:
        """Its configuration's directory."""
        return self.directory / "etc"

    @property
    def broken(self) -> Path:
        """While this file exists, the unban action of a jail with banaction oncall-broken fails."""
        return self.directory / "broken"

    @property
    def client_command(self) -> list[str]:
        """fail2ban-client's argv that knows its configuration and socket."""
        return ["fail2ban-client", "-c", str(self.config), "-s", str(self.socket), "-p", str(self.directory / "p")]

    def log(self, jail: str) -> Path:
        """The log that a jail reads."""
        return self.directory / f"{jail}.log"

    def write_config(self) -> None:
        """Write its configuration from `jails`; `reload` makes a running server read it."""
        for part in ("action.d", "filter.d"):
            (self.config / part).mkdir(parents=True, exist_ok=True)
            for file in (ETC / part).iterdir():
                link = self.config / part / file.name
                if file.suffix in (".conf", ".py") and not link.exists():
                    link.symlink_to(file)
        for name in ("paths-common.conf", "paths-debian.conf"):
            if not (self.config / name).exists() and (ETC / name).exists():
                (self.config / name).symlink_to(ETC / name)
        (self.config / "action.d" / "oncall-broken.conf").write_text(BROKEN_UNBAN.format(flag=self.broken))
        for name, text in self.actions.items():
            (self.config / "action.d" / f"{name}.conf").write_text(text)
        (self.config / "filter.d" / "oncall.conf").write_text(f"[Definition]\nfailregex = {FAILREGEX}\n")
        own = self.directory
        (self.config / "fail2ban.conf").write_text(
            f"[DEFAULT]\nloglevel = INFO\nlogtarget = {own}/fail2ban.log\nsyslogsocket = auto\nsocket = {own}/s\npidfile = {own}/p\n"
            f"dbfile = {self.keeps or self.database}\ndbpurgeage = 1d\ndbmaxmatches = 10\nallowipv6 = auto\n[Definition]\n"
        )
        action = '%(banaction)s[port="%(port)s", protocol="%(protocol)s", chain="%(chain)s", name=%(__name__)s]'
        text = ["[DEFAULT]", "ignoreself = false", "ignoreip =", "chain = INPUT", f"action = {action}"]
        for name, settings in self.jails.items():
            log = self.log(name)
            log.touch()
            text += [f"[{name}]", *(f"{key} = {value}" for key, value in {"logpath": str(log), **JAIL, **settings}.items())]
        (self.config / "jail.conf").write_text("\n".join(text) + "\n")

    def start(self) -> None:
        """Start it and wait until every jail is there."""
        self.write_config()
        argv = ["fail2ban-server", "-c", str(self.config), "-s", str(self.socket), "-p", str(self.directory / "p"), "-xf", "start"]
        with (self.directory / "out").open("ab") as out:
            self.process = self.net.start(*argv, stdout=out, stderr=out)
        until(self._ready, what=f"fail2ban: {self.said()}", seconds=60)

    def stop(self) -> None:
        """End it, its rules with it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        self.process = None

    def client(self, *words: str, check: bool = True, seconds: float = 60) -> str:
        """Ask it with its own client."""
        return self.net.run(*self.client_command, *words, check=check, timeout=seconds)

    def banned(self, jail: str) -> list[str]:
        """What a jail bans, by its own client."""
        return self.client("get", jail, "banip").split()

    def ban(self, jail: str, *entries: str) -> None:
        """Ban by hand, and wait for the rules."""
        self.client("set", jail, "banip", *entries)

    def fail(self, jail: str, address: str, *, user: str = "root", times: int = 3) -> None:
        """Write failed logins into a jail's log."""
        with self.log(jail).open("a") as log:
            for _ in range(times):
                now = time.strftime("%b %d %H:%M:%S")
                log.write(f"{now} host sshd[4711]: Failed password for {user} from {address} port 50000 ssh2\n")

    def said(self) -> str:
        """The end of its log."""
        texts = [path.read_text()[-2000:] for path in (self.directory / "fail2ban.log", self.directory / "out") if path.is_file()]
        return "\n".join(texts)

    def module(self, module: str, *, check: bool = False, env: Mapping[str, str] | None = None, wait: float = 120, **args: Any,
               ) -> dict[str, Any]:
        """Run one of our modules for this server, inside its namespace."""
        known = {"socket": str(self.socket), "client_command": self.client_command}
        return self.net.module(module, check=check, env=env, wait=wait, **{**known, **args})

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"fail2ban ended: {self.said()}"
        if not self.socket.exists():
            return False
        status = self.client("status", check=False)
        return all(name in status for name in self.jails) and "Number of jail" in status


@contextmanager
def fail2ban(
    jails: Mapping[str, Mapping[str, str]] | None = None, *, net: Namespace | None = None, peer: bool = False,
    actions: Mapping[str, str] | None = None, database: str = "",
) -> Iterator[Fail2ban]:
    """A server in a namespace of its own, both ended and removed afterwards.

    Args:
        jails: name to settings, over JAIL's; one jail named sshd if not said. Every jail reads its own log.
        net: a namespace that exists already.
        peer: see tests.support.netns.namespace.
        actions: see Fail2ban.
        database: where it keeps its bans; None in words: nowhere.
    """
    need(shutil.which("fail2ban-server") and ETC.is_dir(), "Debian's fail2ban")
    need(shutil.which("nft") and shutil.which("iptables") and shutil.which("ipset"), "nftables, iptables and ipset")
    if net is None:
        with namespace(peer=peer) as made, fail2ban(jails, net=made, actions=actions, database=database) as server:
            yield server
        return
    directory = Path(tempfile.mkdtemp(prefix="f2b-", dir="/tmp" if os.path.isdir("/tmp") else None))
    server = Fail2ban(net=net, directory=directory, jails=jails or {"sshd": {}}, actions=actions or {}, keeps=database)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
