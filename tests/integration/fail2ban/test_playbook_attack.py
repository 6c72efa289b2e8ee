# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""brute-force against a real fail2ban: the worst are kept out, by real packets, and the operator is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fail2ban import fail2ban
from tests.support.need import need
from tests.support.netns import peer_of
from tests.support.until import until

from .playsite import IN_VAIN, ROOT, PlaySite

#: The clients' addresses on the other end of the wire, and the server's. No other test has these: sessions of sshd are seen in
#: whatever network namespace they are.
OPERATOR, ATTACKER, SERVER = "198.18.0.42", "198.18.0.66", "198.18.0.1"
PORT = 2222
#: Several plays each, on a machine that may be busy.
pytestmark = pytest.mark.timeout(900)
#: Failed logins by address, the worst first; the operator has mistyped a lot.
FAILURES = {OPERATOR: 90, ATTACKER: 80, "203.0.113.5": 60, "2001:db8:f2b::bad": 40, "203.0.113.6": 30, "203.0.113.7": 3}
WORST = [ATTACKER, "203.0.113.5", "2001:db8:f2b::bad", "203.0.113.6"]


def write_log(path: Path, failures: Mapping[str, int]) -> None:
    """Failed logins of the last minutes, as sshd writes them through syslog."""
    now = time.strftime("%b %d %H:%M:%S")
    with path.open("w") as log:
        for address, count in failures.items():
            for number in range(count):
                user = "root" if number % 2 else f"invalid user guest{number}"
                log.write(f"{now} host sshd[4711]: Failed password for {user} from {address} port {40000 + number} ssh2\n")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PlaySite]:
    """An attacked service: its log is not the one that the jail reads, so that nobody bans but us."""
    with fail2ban({"sshd": {"port": str(PORT)}}, peer=True) as server:
        log = tmp_path / "auth.log"
        write_log(log, FAILURES)
        made = PlaySite(server=server, place=tmp_path, host={
            "fail2ban_ports": [PORT], "fail2ban_attack_logs": [str(log)], "fail2ban_attack_journal": False,
            "fail2ban_never_ban": [OPERATOR],
        })
        for address in (OPERATOR, ATTACKER):
            peer_of(server.net).run("ip", "address", "add", f"{address}/24", "dev", "outside")
        service = made.serve(PORT)
        try:
            yield made
        finally:
            service.kill()
            service.communicate()


def banned(site: PlaySite) -> list[str]:
    return sorted(site.server.banned("sshd"))


def test_the_worst_are_kept_out_and_the_operator_is_not(site: PlaySite) -> None:
    before = site.state()
    checked = site.play("brute-force", "--check")
    assert checked.status == 0, checked.output
    assert site.state() == before, "check mode touches nothing"
    plan = checked.plan()
    assert len(plan["actions"]["fw1"]) == 4
    done = site.play("brute-force", incident_approved_plan=site.approve(plan))
    assert done.status == 0, done.output
    done.assert_record_verifies()
    assert done.outcomes() == ["done"] * 4
    assert banned(site) == sorted(WORST)
    assert site.reaches(OPERATOR, SERVER, PORT) and not site.reaches(ATTACKER, SERVER, PORT)
    assert OPERATOR in {event["protected"]["target"]["address"] for event in done.events("protected")}

    again = site.play("brute-force")
    assert again.status == 0, again.output
    assert "changed=0" in again.output and banned(site) == sorted(WORST)


def test_more_attackers_than_the_limit(site: PlaySite) -> None:
    """The worst are banned, as many as the limit allows; those left over are named, and while they go on it is not over."""
    done = site.play("brute-force", fail2ban_max_victims=2)
    assert done.status == 2, done.output
    assert f"2 attackers remain over the limit of fail2ban_max_victims and are not banned: {', '.join(WORST[2:])}." in done.said
    assert banned(site) == sorted(WORST[:2])
    left = [event["protected"] for event in done.events("protected")]
    assert {one["target"]["address"] for one in left} >= set(WORST[2:])


def test_attackers_of_whom_none_is_kept_out(site: PlaySite) -> None:
    """Nobody to keep out is no proof where there was somebody to ban; the operator who mistypes is nobody to ban."""
    write_log(site.place / "auth.log", {"10.1.2.3": 70, OPERATOR: 60})
    done = site.play("brute-force")
    assert done.status == 2 and "attackers were found and none is kept out" in done.said, done.output
    write_log(site.place / "auth.log", {OPERATOR: 60})
    assert site.play("brute-force").status == 0


def test_only_the_approved_plan_is_carried_out(site: PlaySite) -> None:
    plan = site.play("brute-force", "--check", "--tags", "mitigate", fail2ban_max_victims=1).plan()
    done = site.play("brute-force", "--tags", "mitigate", incident_approved_plan=site.approve(plan))
    assert done.status == 0, done.output
    assert banned(site) == [ATTACKER]


def test_nobody_is_banned_while_no_operator_is_known(site: PlaySite) -> None:
    """In a process namespace of its own, where no session of sshd of this machine is seen."""
    before = site.state()
    done = site.play("brute-force", prefix=["unshare", "--pid", "--fork", "--mount-proc"], fail2ban_never_ban=[], **IN_VAIN)
    assert done.status == 2, done.output
    assert "Nobody can tell where the operator of this host comes from" in done.said
    assert site.state() == before


def test_private_networks_are_not_banned_by_accident(site: PlaySite) -> None:
    write_log(site.place / "auth.log", {"10.1.2.3": 70, "fd00::7": 60, ATTACKER: 50})
    done = site.play("brute-force")
    assert done.status == 0, done.output
    assert banned(site) == [ATTACKER]
    assert {"10.1.2.3", "fd00::7"} <= {event["protected"]["target"]["address"] for event in done.events("protected")}
    assert site.play("brute-force", fail2ban_allow_private=True).status == 0
    assert banned(site) == sorted([ATTACKER, "10.1.2.3", "fd00::7"])


def test_who_is_logged_in_over_ssh_is_never_banned(site: PlaySite, tmp_path: Path) -> None:
    """A real session of a real sshd, and nothing else that would say who the operator is."""
    with ssh_session(site, tmp_path):
        done = site.play("brute-force", fail2ban_never_ban=[])
        assert done.status == 0, done.output
        assert banned(site) == sorted(WORST)
        assert site.reaches(OPERATOR, SERVER, PORT)


@contextmanager
def ssh_session(site: PlaySite, place: Path) -> Iterator[None]:
    """The operator is logged in."""
    need(shutil.which("sshd") and shutil.which("ssh"), "OpenSSH's server and client")
    directory = place / "ssh"
    directory.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True, timeout=60)
    (directory / "authorized").write_text((directory / "user.pub").read_text())
    (directory / "sshd_config").write_text(
        f"Port 22\nListenAddress {SERVER}\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized\nUsePAM no\n"
        f"PidFile {directory}/pid\nStrictModes no\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    daemon = site.net.start(shutil.which("sshd") or "", "-D", "-e", "-f", str(directory / "sshd_config"), stderr=subprocess.DEVNULL)
    client = None
    try:
        until(lambda: site.reaches(OPERATOR, SERVER, 22), what="sshd to listen")
        client = subprocess.Popen(
            [*peer_of(site.net).prefix, "ssh", "-F", "none", "-b", OPERATOR, "-i", str(directory / "user"), "-o", "BatchMode=yes",
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", f"root@{SERVER}", "echo in; exec sleep 300"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        assert client.stdout is not None and client.stderr is not None
        assert client.stdout.readline() == b"in\n", client.stderr.read()
        yield
    finally:
        for process in (client, daemon):
            if process is not None:
                process.terminate()
                process.communicate(timeout=20)


def test_the_wrapper(site: PlaySite) -> None:
    done = site.incident("brute-force", "--yes")
    assert done.status == 0, done.output
    assert banned(site) == sorted(WORST)
    again = site.incident("brute-force", "--yes")
    assert again.status == 5, again.output


def test_a_broken_daemon_is_no_success(site: PlaySite) -> None:
    site.server.stop()
    done = site.play("brute-force", **IN_VAIN)
    assert done.status == 2, done.output
    assert done.findings("investigate")["server"] == done.findings("verify")["daemon"] == "critical"
    assert done.outcomes() == []


@pytest.mark.parametrize(("variables", "said"), [
    ({"fail2ban_never_ban": ["192.0.2.999"]}, "192.0.2.999 is neither an IP address nor a network"),
    ({"fail2ban_max_victims": "many"}, "fail2ban_max_victims"),
    ({"fail2ban_max_victim": 3}, "did you mean fail2ban_max_victims?"),
])
def test_wrong_input_is_an_error_before_anything_runs(variables: dict[str, Any], said: str, site: PlaySite) -> None:
    before = site.state()
    done = site.play("brute-force", **variables)
    assert done.status == 2 and said in done.said, done.output
    assert site.state() == before


# The daemon's service, below a stand-in for systemd that really starts and stops it.


def service(site: PlaySite) -> dict[str, str]:
    """Put the daemon below the stand-in."""
    home = site.place / "unit"
    home.mkdir()
    site.server.stop()
    directory = site.server.directory
    argv = ["fail2ban-server", "-c", str(site.server.config), "-s", str(site.server.socket), "-p", str(directory / "p"), "-xf", "start"]
    (home / "command").write_text(json.dumps(argv))
    doubles = ROOT / "tests" / "support" / "doubles"
    environ = {"PATH": f"{doubles}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMCTL_DOUBLE": str(home)}
    site.call("systemctl", "start", "fail2ban", **environ)
    until(lambda: "sshd" in site.server.client("status", check=False), what="the daemon below the stand-in", seconds=60)
    return environ


def test_the_daemon_is_restarted_when_that_was_asked_for(site: PlaySite) -> None:
    environ = service(site)
    try:
        done = site.play("brute-force", environ=environ, fail2ban_service_action="restart")
        assert done.status == 0, done.output
        assert done.outcomes() == ["done"] * 5
        assert "restart fail2ban" in (site.place / "unit" / "calls").read_text()
        assert banned(site) == sorted(WORST), "its database brings the bans back"
    finally:
        site.call("systemctl", "stop", "fail2ban", **environ)


def test_a_daemon_whose_configuration_is_wrong_is_left_running(site: PlaySite) -> None:
    environ = service(site)
    try:
        (site.server.config / "jail.local").write_text("[sshd]\nfilter = nosuchfilter\n")
        done = site.play("brute-force", environ=environ, fail2ban_service_action="restart")
        assert done.status == 2, done.output
        assert "does not validate" in done.said
        assert "restart" not in (site.place / "unit" / "calls").read_text()
        assert not site.reaches(ATTACKER, SERVER, PORT), "and the attackers were banned all the same"
    finally:
        site.call("systemctl", "stop", "fail2ban", **environ)
