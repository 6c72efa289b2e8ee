# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hosts.deny in front of a real sshd that reads it, beside services that do not: what is said, and what a client hears."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need
from tests.support.netns import Namespace
from tests.support.two_hosts import CLIENT, HOST, TwoHosts, inside
from tests.support.until import until

#: One of OpenSSH, one of a program that knows no hosts.deny.
SSH, WEB = 2222, 80
PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
#: What only the programs that are started so see.
_MOUNTED = (
    'mount --bind "$0/deny" /etc/hosts.deny && mount --bind "$0/allow" /etc/hosts.allow && mount -t tmpfs tmpfs /run && mkdir /run/sshd '
    '&& exec "$@"'
)


@dataclass
class Guarded:
    """The host, with files of its own."""

    both: TwoHosts
    net: Namespace
    place: Path

    def says(self, port: int, *, deny: str, allow: str = "") -> dict[str, Any]:
        """The finding on the client, with these lines in the files."""
        return self._asked("let_in", [port], deny=deny, allow=allow)

    def is_out(self, *ports: int, deny: str, allow: str = "") -> dict[str, Any]:
        """The same of whether it is kept out of these ports; of none, of those that its rules are about."""
        return self._asked("kept_out", ports, deny=deny, allow=allow)

    def _asked(self, check: str, ports: Sequence[int], *, deny: str, allow: str) -> dict[str, Any]:
        (self.place / "deny").write_text(deny)
        (self.place / "allow").write_text(allow)
        (found,) = self.net.module("access_health", daemon=False, ports=list(ports), **{check: [CLIENT]})["findings"]
        return dict(found)

    def hears(self) -> bool:
        """Whether sshd speaks to the client."""
        def listen() -> bool:
            with socket.create_connection((HOST, SSH), timeout=30) as one:
                try:
                    return one.recv(4) == b"SSH-"
                except ConnectionResetError:
                    return False

        return inside(self.both.client, listen)


@pytest.fixture(scope="module")
def guarded(both: TwoHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """An sshd that was started with these files."""
    need(PROGRAM and Path("/etc/hosts.deny").is_file() and Path("/etc/hosts.allow").is_file(), "OpenSSH's sshd, hosts.allow and hosts.deny")
    linked = subprocess.run(["ldd", str(PROGRAM)], capture_output=True, text=True, check=False).stdout
    need("libwrap.so" in linked, "an sshd that reads hosts.deny, as Debian 12's does")
    place = tmp_path_factory.mktemp("wrapped")
    for name in ("deny", "allow"):
        (place / name).write_text("")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "key")], check=True, timeout=60)
    (place / "config").write_text(f"ListenAddress {HOST}:{SSH}\nHostKey {place}/key\nPidFile none\nUsePAM no\nStrictModes no\n")
    net = dataclasses.replace(both.host, more=("unshare", "--mount", "sh", "-c", _MOUNTED, str(place)))
    with (place / "log").open("wb") as log:
        process = net.start(str(PROGRAM), "-D", "-e", "-f", str(place / "config"), stdout=log, stderr=log)
    made = Guarded(both, net, place)
    try:
        until(lambda: process.poll() is not None or both.connects(SSH, expected=False), what="sshd")
        assert process.poll() is None, (place / "log").read_text()
        yield made
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(("deny", "allow", "refused"), [
    (f"sshd: {CLIENT}\n", "", True), ("ALL: 198.51.100.\n", "", True), (f"ALL EXCEPT vsftpd: {CLIENT}\n", "", True),
    (f"vsftpd: {CLIENT}\n", "", False), (f"ALL EXCEPT sshd: {CLIENT}\n", "", False), ("sshd: 203.0.113.9\n", "", False),
    (f"sshd: {CLIENT}\n", f"sshd: {CLIENT}\n", False), (f"sshd: {CLIENT}\n", f"vsftpd: {CLIENT}\n", True),
    (f"ALL: {CLIENT}: allow\n", "", False), ("", f"sshd: {CLIENT}: deny\n", True),
])
def test_a_service_that_reads_it(deny: str, allow: str, refused: bool, guarded: Guarded) -> None:
    found = guarded.says(SSH, deny=deny, allow=allow)
    assert guarded.hears() is not refused
    assert found["status"] == ("critical" if refused else "ok"), found
    if refused:
        assert found["observed"].startswith("hosts_deny: ") and found["detail"]["cause"] == "hosts_deny"


@pytest.mark.parametrize("deny", [f"sshd: {CLIENT}\n", f"ALL: {CLIENT}\n"])
def test_a_service_that_does_not_read_it(deny: str, guarded: Guarded) -> None:
    assert guarded.says(WEB, deny=deny)["status"] == "ok"
    assert guarded.says(8081, deny=deny)["status"] == "ok", "nobody listens there"


@pytest.mark.parametrize(("deny", "allow"), [(f"sshd: {CLIENT}\n", ""), ("ALL: 198.51.100.\n", ""), ("", f"sshd: {CLIENT}: deny\n")])
def test_who_is_refused_by_each_service_that_reads_it_is_kept_out(deny: str, allow: str, guarded: Guarded) -> None:
    """As fail2ban's action hostsdeny does it. Where no port is named, the ban is about the services that it keeps out of."""
    for ports in ((SSH,), ()):
        found = guarded.is_out(*ports, deny=deny, allow=allow)
        assert found["status"] == "ok" and found["observed"].startswith(f"tcp port {SSH}: hosts.deny: "), found
    assert not guarded.hears()
    assert guarded.is_out(WEB, deny=deny, allow=allow)["status"] == "critical", "it is served there"
    assert guarded.is_out(SSH, WEB, deny=deny, allow=allow)["status"] == "critical"


@pytest.mark.parametrize(("deny", "allow"), [(f"vsftpd: {CLIENT}\n", ""), (f"sshd: {CLIENT}\n", f"sshd: {CLIENT}\n"), ("", "")])
def test_whom_no_line_refuses_is_not_kept_out(deny: str, allow: str, guarded: Guarded) -> None:
    assert guarded.is_out(SSH, deny=deny, allow=allow)["status"] == guarded.is_out(deny=deny, allow=allow)["status"] == "critical"
    assert guarded.hears()
