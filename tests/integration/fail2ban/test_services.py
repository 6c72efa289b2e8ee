# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""port_health against real services that hang, refuse, or listen elsewhere: the kernel accepts connections for all of them."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need
from tests.support.netns import Namespace, namespace, peer_of
from tests.support.redis_servers import any_binary
from tests.support.until import until

HOST, CLIENT, CLIENT6 = "198.18.0.1", "198.18.0.2", "2001:db8:f2b::2"
SSHD = "/usr/sbin/sshd"
#: Listens at an address, and accepts nobody.
HANGS = """
import signal, socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=int(sys.argv[3]))
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Namespace]:
    with namespace(peer=True) as made:
        yield made


def finding(result: dict[str, Any], check: str = "port") -> dict[str, Any]:
    (found,) = [one for one in result["findings"] if one["check"] == check]
    return dict(found)


@contextlib.contextmanager
def sshd(net: Namespace, directory: Path, *, port: int = 22, more: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A real sshd at every address of the namespace."""
    need(Path(SSHD).exists() and shutil.which("ssh-keygen"), "openssh-server")
    Path("/run/sshd").mkdir(exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "host"], check=True)
    (directory / "config").write_text(f"{more}Port {port}\nHostKey {directory}/host\nUsePAM no\nPidFile {directory}/pid\n")
    server = net.start(SSHD, "-D", "-f", str(directory / "config"), "-E", str(directory / "log"))
    try:
        until(lambda: f":{port}" in net.run("ss", "-tln"), what="sshd")
        yield server
    finally:
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait(timeout=10)


def test_sshd_that_hangs_is_not_well(net: Namespace, tmp_path: Path) -> None:
    with sshd(net, tmp_path) as server:
        well = net.module("port_health", ports=[22], asked=["port", "accept_queue"])
        assert well["healthy"] is True and finding(well)["detail"]["tried"][0]["words"].startswith("SSH-2.0-"), well
        server.send_signal(signal.SIGSTOP)
        hung = net.module("port_health", ports=[22], timeout="1s")
        assert finding(hung)["status"] == "critical" and "says nothing" in finding(hung)["observed"]
        assert finding(hung, "accept_queue")["status"] == "warning" and finding(hung, "accept_queue")["observed"] >= 1
        assert net.module("port_health", ports=[22], timeout="1s", expect="none")["checks"] == {"port": "ok", "accept_queue": "warning"}


def test_a_service_that_refuses_or_is_another(net: Namespace, tmp_path: Path) -> None:
    with sshd(net, tmp_path, port=25):
        other = net.module("port_health", ports=[25], timeout="1s")
        assert finding(other)["status"] == "warning" and "which is not SMTP" in finding(other)["observed"]
        assert finding(net.module("port_health", ports=[25], timeout="1s", expect="smtp"))["status"] == "critical"
        assert finding(net.module("port_health", ports=[25], timeout="1s", expect="ssh"))["status"] == "ok"


def test_redis_is_asked(net: Namespace, tmp_path: Path) -> None:
    binary = any_binary()
    need(binary, "a Redis server")
    server = net.start(str(binary), "--port", "6379", "--bind", "127.0.0.1", HOST, "--dir", str(tmp_path), "--save", "",
                       "--protected-mode", "yes", stdout=subprocess.DEVNULL)
    try:
        until(lambda: ":6379" in net.run("ss", "-tln"), what="the server")
        assert finding(net.module("port_health", ports=[6379]))["status"] == "ok"
        for refused in (net.module("port_health", ports=[6379], clients=[CLIENT]),
                        peer_of(net).module("port_health", host=HOST, ports=[6379])):
            assert finding(refused)["status"] == "critical" and "DENIED" in finding(refused)["observed"], "for its own host alone"
    finally:
        server.terminate()
        server.wait(timeout=10)


def test_where_it_listens_and_where_clients_come_in(net: Namespace) -> None:
    for address, told in (("127.0.0.1", "critical"), (HOST, "ok"), ("0.0.0.0", "ok")):
        with hanging(net, address):
            found = finding(net.module("port_health", ports=[8080], clients=[CLIENT], timeout="500ms"))
            assert found["status"] == told, found
            real = peer_of(net).module("port_health", host=HOST, ports=[8080], timeout="1s")
            assert (finding(real)["status"] == "ok") == (told == "ok"), "what a client gets"
            if told != "ok":
                assert f"{CLIENT} comes in at {HOST}" in found["observed"] and "listens at 127.0.0.1" in found["hint"]
    with hanging(net, "0.0.0.0"):
        six = finding(net.module("port_health", ports=[8080], clients=[CLIENT, CLIENT6], timeout="500ms"))
        assert six["status"] == "critical" and f"{CLIENT6} comes in at 2001:db8:f2b::1" in six["observed"], "IPv4 alone"


@contextlib.contextmanager
def hanging(net: Namespace, address: str, *, backlog: int = 8) -> Iterator[None]:
    server = net.start(sys.executable, "-c", HANGS, address, "8080", str(backlog), stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        yield
    finally:
        server.kill()
        server.communicate()


def test_a_full_accept_queue_is_named(net: Namespace) -> None:
    with hanging(net, "0.0.0.0", backlog=1):
        for _ in range(4):
            net.module("port_health", ports=[8080], timeout="300ms")
        full = net.module("port_health", ports=[8080], timeout="300ms", asked=["port", "accept_queue"])
        assert finding(full, "accept_queue")["status"] == finding(full)["status"] == "critical", full
        assert "is full" in finding(full, "accept_queue")["hint"] and finding(full, "accept_queue")["threshold"] == 1


def test_what_sshd_itself_says_of_somebody(net: Namespace, tmp_path: Path) -> None:
    """Real refusals of a real sshd, with the beginning of the lines that syslog writes."""
    need(shutil.which("ssh"), "openssh-client")
    for name in ("one", "two"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    user = getpass.getuser()
    options = ("BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={tmp_path}/known", "IdentitiesOnly=yes")
    ask = ["ssh", "-F", "none", "-i", str(tmp_path / "one"), "-i", str(tmp_path / "two"), "-b", CLIENT,
           *(word for option in options for word in ("-o", option)), f"{user}@{HOST}", "true"]

    def kinds(more: str, place: Path, *, says: str) -> list[str]:
        place.mkdir()
        with sshd(net, place, more=more):
            peer_of(net).run(*ask, check=False)
            # The client ends first.
            until(lambda: says in (place / "log").read_text(), what=f"sshd to say: {says}")
        now = time.strftime("%b %d %H:%M:%S")
        raw = (place / "log").read_text().splitlines()
        (place / "auth.log").write_text("".join(f"{now} gate sshd[7]: {line}\n" for line in raw))
        result = net.module("port_health", ports=[8080], timeout="300ms", clients=[CLIENT], refusals_since="1h", journal=False,
                            logs=[str(place / "auth.log")])
        found = finding(result, "refusals")
        assert found["status"] == "warning" and found["subject"] == CLIENT, raw
        assert finding(net.module("port_health", ports=[8080], timeout="300ms", clients=["198.18.0.99"], refusals_since="1h", journal=False,
                                  logs=[str(place / "auth.log")]), "refusals")["status"] == "ok", "somebody else"
        return list(found["detail"]["kinds"])

    assert "not_allowed" in kinds("AllowUsers somebody-else\n", tmp_path / "users", says="not allowed because")
    tried = "MaxAuthTries 1\nPermitRootLogin yes\n"
    assert "too_many_failures" in kinds(tried, tmp_path / "tries", says="Too many authentication failures")
    assert "no_common_algorithm" in kinds("Ciphers aes128-cbc\n", tmp_path / "ciphers", says="no matching cipher")
