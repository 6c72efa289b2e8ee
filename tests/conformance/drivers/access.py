# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, and who guesses: a real fail2ban with its rules in a network namespace of its own, a real log."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.conformance.kit import Args, Driver, Health, Mitigating, Result
from tests.support.fail2ban import Fail2ban, fail2ban
from tests.support.holds import Systemd
from tests.support.netns import Namespace, namespace

NOBODY = 65534
#: RFC 5737.
FRIEND, OTHER = "192.0.2.7", "198.51.100.9"


class OfFail2ban(Driver):
    """A module that talks to the daemon, inside its namespace."""

    daemon: Fail2ban

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[Fail2ban]:
        with fail2ban({"sshd": {}}) as server:
            yield server

    def __init__(self, stage: Fail2ban) -> None:
        super().__init__(stage)
        self.daemon = stage

    def run(self, *, check: bool = False, **more: Any) -> Result:
        return self.daemon.module(self.module, check=check, **{**self.args(), **more})


class _Health(OfFail2ban, Health):
    @contextmanager
    def scene(self) -> Iterator[None]:
        self.daemon.ban("sshd", OTHER)
        try:
            yield
        finally:
            self.daemon.client("unban", "--all", check=False)

    def denied(self) -> Args:
        return {}

    def run_denied(self, **more: Any) -> Result:
        """As a user who may neither ask the daemon nor read the packet filter."""
        known = {"socket": str(self.daemon.socket), "client_command": self.daemon.client_command}
        return self.daemon.net.start_module(self.module, user=NOBODY, **{**known, **self.args(), **more}).result(timeout=60)

    @contextmanager
    def freeze(self) -> Iterator[None]:
        assert self.daemon.process is not None
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)

    def patient(self) -> Args:
        return {"timeout": "2s"}


class AccessHealth(_Health):
    """Somebody who is let in, somebody who is kept out."""

    module = "access_health"

    def args(self) -> Args:
        return {"let_in": [FRIEND], "kept_out": [OTHER]}

    def culprits(self) -> list[str]:
        return [FRIEND, "sshd"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        self.daemon.ban("sshd", FRIEND)
        try:
            yield
        finally:
            self.daemon.client("set", "sshd", "unbanip", FRIEND)


class Fail2banHealth(_Health):
    """The daemon, its jail and its rules."""

    module = "fail2ban_health"

    def args(self) -> Args:
        return {"expected_jails": ["sshd"]}

    def culprits(self) -> list[str]:
        return [OTHER, "sshd"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        """Somebody flushes the packet filter."""
        rules = self.daemon.net.run("nft", "list", "ruleset")
        self.daemon.net.run("nft", "flush", "ruleset")
        try:
            yield
        finally:
            self.daemon.net.run("nft", "-f", "-", input=rules)


class FailedLogins(Health):
    """A log of sshd's."""

    module = "failed_logins"

    @contextmanager
    def scene(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as made:
            self.log = Path(made) / "auth.log"
            self.log.write_text(self._line("Accepted publickey for ann from 192.0.2.7 port 5 ssh2", ago=7200))
            self.pipe = Path(made) / "pipe"
            os.mkfifo(self.pipe)
            self.path = self.log
            yield

    def args(self) -> Args:
        return {"journal": False, "logs": [str(self.path)]}

    @staticmethod
    def _line(message: str, *, ago: float = 0) -> str:
        return f"{time.strftime('%b %d %H:%M:%S', time.localtime(time.time() - ago))} gate sshd[7]: {message}\n"

    def culprits(self) -> list[str]:
        return [OTHER]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        quiet = self.log.read_text()
        with self.log.open("a") as log:
            log.writelines(self._line(f"Failed password for root from {OTHER} port {port} ssh2") for port in range(1000, 1200))
        try:
            yield
        finally:
            self.log.write_text(quiet)

    def denied(self) -> Args:
        return {"logs": [str(self.log.parent / "nobody-may")]}

    @contextmanager
    def freeze(self) -> Iterator[None]:
        """A pipe that nobody writes to has the log's place."""
        self.path = self.pipe
        try:
            yield
        finally:
            self.path = self.log


class _Acting(OfFail2ban, Mitigating):
    def world(self) -> Any:
        return sorted(self.daemon.banned("sshd")), self.daemon.net.run("nft", "-s", "list", "ruleset")

    def locked(self) -> AbstractContextManager[Any]:
        return acting_alone("bans", by=str(self.daemon.directory))

    def limits(self) -> Args:
        return {"max_victims": 1}

    def no_time(self) -> Args:
        return {"timeout": "0.01ms"}


class Fail2banBan(_Acting):
    """Two who are to be kept out."""

    module = "fail2ban_ban"

    @contextmanager
    def scene(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.daemon.client("unban", "--all", check=False)

    def args(self) -> Args:
        return {"jail": "sshd", "addresses": [FRIEND, OTHER], "never_ban": ["203.0.113.250"]}

    def leave(self) -> None:
        """Somebody else bans one of them."""
        self.daemon.ban("sshd", OTHER)


class Fail2banUnban(_Acting):
    """Two who are to be let in."""

    module = "fail2ban_unban"

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.daemon.ban("sshd", FRIEND, OTHER)
        try:
            yield
        finally:
            self.daemon.client("unban", "--all", check=False)

    def args(self) -> Args:
        return {"addresses": [FRIEND, OTHER], "observe": "0.3s"}

    def leave(self) -> None:
        self.daemon.client("set", "sshd", "unbanip", OTHER)


class _Undo(_Acting):
    """A change is made, which the module takes back."""

    absent: ClassVar = {"over_the_limit": "it takes back one change, which the call names"}

    def args(self) -> Args:
        return {"change": self.change, "observe": "0.3s"}


class Fail2banUndoBan(_Undo):
    """A ban that ends by itself, taken back before that."""

    module = "fail2ban_unban"

    @contextmanager
    def scene(self) -> Iterator[None]:
        made = self.daemon.module("fail2ban_ban", jail="sshd", addresses=[OTHER], never_ban=["203.0.113.250"])
        (self.change,) = made["actions"]
        try:
            yield
        finally:
            self.daemon.client("unban", "--all", check=False)

    def leave(self) -> None:
        self.daemon.client("set", "sshd", "unbanip", OTHER)


class Fail2banEndHold(_Undo):
    """A hold, ended before its timer does. The kit's systemd is a double: tests/integration/action has a real one."""

    module = "fail2ban_unban"

    @contextmanager
    def scene(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as made:
            self.systemd = Systemd(Path(made))
            self.daemon.ban("sshd", OTHER)
            held = self.daemon.module("fail2ban_unban", addresses=[OTHER], hold="15m", observe="0.3s", env=self.systemd.environ)
            (self.change,) = held["actions"]
            self.systemd.show()
            try:
                yield
            finally:
                self.daemon.client("unban", "--all", check=False)
                self.daemon.client("set", "sshd", "delignoreip", OTHER, check=False)

    def run(self, *, check: bool = False, **more: Any) -> Result:
        return self.daemon.module(self.module, check=check, env=self.systemd.environ, **{**self.args(), **more})

    def world(self) -> Any:
        return super().world(), self.daemon.client("get", "sshd", "ignoreip"), self.systemd.calls()

    def leave(self) -> None:
        self.daemon.client("set", "sshd", "delignoreip", OTHER)


class FirewallRemove(Mitigating):
    """A rule against each of two addresses, made by hand."""

    module = "firewall_remove"
    absent: ClassVar = {"past_the_deadline": "it has no time limit of its own: each program that it runs has one"}

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[Namespace]:
        with namespace() as made:
            yield made

    def __init__(self, stage: Namespace) -> None:
        super().__init__(stage)
        self.net = stage

    @contextmanager
    def scene(self) -> Iterator[None]:
        for address in (FRIEND, OTHER):
            self.net.run("iptables", "-A", "INPUT", "-s", address, "-j", "DROP")
        try:
            yield
        finally:
            self.net.run("iptables", "-F")

    def args(self) -> Args:
        return {"addresses": [FRIEND, OTHER]}

    def run(self, *, check: bool = False, **more: Any) -> Result:
        return self.net.module(self.module, check=check, **{**self.args(), **more})

    def world(self) -> Any:
        return [line for line in self.net.run("iptables-save").splitlines() if line.startswith("-A")]

    def limits(self) -> Args:
        return {"max_rules": 1}

    def leave(self) -> None:
        self.net.run("iptables", "-D", "INPUT", "-s", OTHER, "-j", "DROP")

    @contextmanager
    def locked(self) -> Iterator[None]:
        with open(f"/run/netns/{self.net.name}", "rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            yield
