# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""brute-force against a real fail2ban: the worst are kept out, by real packets, and the operator is not.

Three runs with several hosts, that the tests read: a check, the run that was approved, and a run while an operator is logged in.
The hosts share one packet filter and one daemon; each has a jail, a log and attackers of its own. What costs is a module on a host:
only the runs that are asked about it investigate.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.fail2ban import Fail2ban, fail2ban
from tests.support.need import need
from tests.support.netns import peer_of
from tests.support.site import DOUBLES, Ended
from tests.support.until import until

from .conftest import alone
from .playsite import IN_VAIN, PlaySite

#: The clients' addresses on the other end of the wire, and the server's. No other test has these: sessions of sshd are seen in
#: whatever network namespace they are.
OPERATOR, ATTACKER, SERVER = "198.18.0.42", "198.18.0.66", "198.18.0.1"
#: The service behind the jail of fw1, and the one behind that of the host where an operator is logged in.
PORT, SESSION_PORT = 2222, 2223
#: One host after the other: they share a daemon, which serves one run at a time.
IN_TURN = {"ANSIBLE_FORKS": "1"}
ACTING = ("--tags", "mitigate,verify")
#: Several plays each, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2700)


def failures(*worst: str) -> dict[str, int]:
    """Failed logins by address, the worst first; the operator has mistyped a lot, and one address is below the threshold."""
    return {OPERATOR: 90, **{address: 80 - 10 * number for number, address in enumerate(worst)}, "203.0.113.254": 3}


def four(number: int) -> list[str]:
    """Attackers of one host alone."""
    return [f"203.0.113.{number}", f"203.0.113.{number + 1}", f"2001:db8:f2b::bad:{number}", f"203.0.113.{number + 2}"]


WORST = [ATTACKER, "203.0.113.5", "2001:db8:f2b::bad", "203.0.113.6"]
#: The hosts, named as their jails, with whom their logs name.
LOGS: dict[str, dict[str, int]] = {
    "fw1": failures(*WORST),
    "limited": failures(*four(20)),
    "approved": failures(*four(30)),
    "spared": {"10.1.2.4": 70, OPERATOR: 60},
    "mistyped": {OPERATOR: 60},
    "private": {"10.1.2.3": 70, "fd00::7": 60, "203.0.113.40": 50},
    "allowed": {"10.1.2.5": 70, "fd00::8": 60, "203.0.113.44": 50},
    "session": failures(*four(50)),
    "nobody": failures(*four(60)),
    "wrapped": failures(*four(90)),
    # Nobody is over the threshold by himself.
    "spread": {f"198.51.{number}.7": 8 for number in range(40)},
    "near": {f"198.51.100.{number}": 6 for number in range(8)},
    "guessed": failures(*four(120)),
    "flushed": {},
}
#: Of jails whose packets are dropped by an action that takes networks, and one whose rule is flushed.
ACTIONS = {"near": "iptables-multiport", "flushed": "iptables-multiport"}
FLUSHED = ["203.0.113.140", "203.0.113.141"]
#: Who gets in after all that.
GOT_IN = {"guessed": "password for root from 203.0.113.200", "mistyped": f"publickey for ann from {OPERATOR}"}


def write_log(path: Path, counts: Mapping[str, int]) -> None:
    """Failed logins of the last minutes, as sshd writes them through syslog, in a log that reaches further back."""
    now = time.strftime("%b %d %H:%M:%S")
    earlier = time.strftime("%b %d %H:%M:%S", time.localtime(time.time() - 7200))
    with path.open("w") as log:
        log.write(f"{earlier} host CRON[7]: pam_unix(cron:session): session opened for user root\n")
        for address, count in counts.items():
            for number in range(count):
                user = "root" if number % 2 else f"invalid user guest{number}"
                log.write(f"{now} host sshd[4711]: Failed password for {user} from {address} port {40000 + number} ssh2\n")
        if path.stem in GOT_IN:
            log.write(f"{now} host sshd[4712]: Accepted {GOT_IN[path.stem]} port 5 ssh2\n")


@dataclass
class Attacked:
    """Attacked services: the logs are not those that the jails read, so that nobody bans but us."""

    site: PlaySite
    place: Path
    #: Daemons of their own, in namespaces of their own.
    elsewhere: dict[str, PlaySite] = field(default_factory=dict)

    def host(self, name: str, **more: Any) -> dict[str, Any]:
        """A host's variables."""
        return {"fail2ban_attack_jail": name, "fail2ban_attack_logs": [str(self.place / f"{name}.auth")], **more}

    def play(self, hosts: dict[str, dict[str, Any]], *arguments: str, **variables: Any) -> Ended:
        """Run the scenario with these hosts."""
        self.site.group("firewall", **hosts)
        return self.site.play(*arguments, variables=variables, **IN_TURN)

    def banned(self, name: str) -> list[str]:
        """Whom a host's jail bans."""
        server = self.elsewhere[name].server if name in self.elsewhere else self.site.server
        return sorted(server.banned(name))

    def interpreter(self, name: str, *prefix: str, **environ: str) -> dict[str, Any]:
        """A Python for a host that starts below other programs or in another environment."""
        path = self.place / f"{name}-python"
        words = " ".join([*(f"{key}={value}" for key, value in environ.items()), *prefix, sys.executable])
        path.write_text(f'#!/bin/sh\nexec env {words} "$@"\n')
        path.chmod(0o755)
        return {"ansible_python_interpreter": str(path)}

    def service(self, name: str, server: Fail2ban) -> dict[str, Any]:
        """Put a daemon below a stand-in for systemd that really starts and stops it, and give the host's variables."""
        home = self.place / f"{name}-unit"
        home.mkdir()
        server.stop()
        argv = ["fail2ban-server", "-c", str(server.config), "-s", str(server.socket), "-p", str(server.directory / "p"), "-xf", "start"]
        (home / "command").write_text(json.dumps(argv))
        environ = {"PATH": f"{DOUBLES}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMCTL_DOUBLE": str(home)}
        self.elsewhere[name].call(["systemctl", "start", "fail2ban"], **environ)
        until(lambda: name in server.client("status", check=False), what="the daemon below the stand-in", seconds=60)
        return {
            **self.interpreter(name, "nsenter", f"--net=/run/netns/{server.net.name}", **environ), "fail2ban_socket": str(server.socket),
            "fail2ban_client_command": server.client_command, "fail2ban_service_action": "restart",
        }

    def calls(self, name: str) -> str:
        """What the stand-in was asked for."""
        return (self.place / f"{name}-unit" / "calls").read_text()

    def stop_service(self, name: str) -> None:
        """End the daemon below the stand-in."""
        path = f"{DOUBLES}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.elsewhere[name].call(["systemctl", "stop", "fail2ban"], PATH=path, SYSTEMCTL_DOUBLE=str(self.place / f"{name}-unit"))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One daemon with a jail for each host. Jails whose service is tried have a port of their own."""
    place = tmp_path_factory.mktemp("attack")
    ports = {"fw1": PORT, "session": SESSION_PORT}
    jails = {name: {"port": str(ports.get(name, 2299)), "banaction": ACTIONS.get(name, "nftables-multiport")} for name in LOGS}
    with fail2ban(jails, peer=True) as server:
        for name, counts in LOGS.items():
            write_log(place / f"{name}.auth", counts)
        site = PlaySite(server, place, fail2ban_ports=[PORT], fail2ban_attack_journal=False, fail2ban_never_ban=[OPERATOR])
        with clients(site, PORT, SESSION_PORT):
            yield Attacked(site=site, place=place)


@contextmanager
def clients(site: PlaySite, *ports: int) -> Iterator[None]:
    """An operator and an attacker on the other end of the wire, and a service for them."""
    for address in (OPERATOR, ATTACKER):
        peer_of(site.net).run("ip", "address", "add", f"{address}/24", "dev", "outside")
    service = site.serve(*ports)
    try:
        yield
    finally:
        service.kill()
        service.communicate()


def first_hosts(attacked: Attacked) -> dict[str, dict[str, Any]]:
    """Those of the check and of the run that was approved."""
    return {"fw1": attacked.host("fw1"), "approved": attacked.host("approved")}


@pytest.fixture(scope="module")
def stopped(attacked: Attacked) -> Iterator[dict[str, Any]]:
    """A host whose daemon does not run."""
    with fail2ban({"stopped": {}}) as server:
        write_log(attacked.place / "stopped.auth", failures(*WORST))
        server.stop()
        yield attacked.host("stopped", fail2ban_socket=str(server.socket), fail2ban_client_command=server.client_command, **IN_VAIN)


@dataclass(frozen=True)
class Approved:
    """A check, and the run that its plan approved.

    Attributes:
        before, between: the packet filter and the daemon's answer before the check and after it.
        banned: by host, after the run.
    """

    checked: Ended
    done: Ended
    before: tuple[str, str]
    between: tuple[str, str]
    banned: dict[str, list[str]]


@pytest.fixture(scope="module")
def approved(attacked: Attacked, stopped: dict[str, Any]) -> Approved:
    """Of one host less is approved than there is to do."""
    hosts = first_hosts(attacked)
    before = attacked.site.state()
    with alone():
        checked = attacked.play(
            {**hosts, "approved": {**hosts["approved"], "fail2ban_max_victims": 1}, "stopped": stopped}, "--check",
        )
        between = attacked.site.state()
        done = attacked.play(hosts, *ACTING, incident_approved_plan=attacked.site.approve(checked.plan()))
    return Approved(checked, done, before, between, {name: attacked.banned(name) for name in hosts})


@dataclass(frozen=True)
class Later:
    """The run while an operator is logged in."""

    done: Ended
    banned: dict[str, list[str]]
    rules: str
    iptables: str
    operator_got_in: bool
    attacker_got_in: dict[str, bool]


@pytest.fixture(scope="module")
def later(approved: Approved, attacked: Attacked, stopped: dict[str, Any]) -> Iterator[Later]:
    """Where it worked once more, where it does not, and daemons that are to be restarted."""
    with ExitStack() as stack:
        for name in ("restarted", "wrong"):
            write_log(attacked.place / f"{name}.auth", failures(*WORST))
            server = stack.enter_context(fail2ban({name: {"port": str(PORT)}}, peer=True))
            attacked.elsewhere[name] = PlaySite(server, attacked.place)
        hosts = {
            "fw1": attacked.host("fw1"),
            "limited": attacked.host("limited", fail2ban_max_victims=2),
            "spared": attacked.host("spared"),
            "mistyped": attacked.host("mistyped"),
            "private": attacked.host("private"),
            "allowed": attacked.host("allowed", fail2ban_allow_private=True),
            "session": attacked.host("session", fail2ban_never_ban=[]),
            "spread": attacked.host("spread"),
            "near": attacked.host("near", fail2ban_attack_max_networks=1),
            "guessed": attacked.host("guessed"),
            "flushed": attacked.host("flushed"),
            "stopped": stopped,
            # In a process namespace of its own, where no session of sshd of this machine is seen.
            "nobody": attacked.host("nobody", fail2ban_never_ban=[], **IN_VAIN,
                                    **attacked.interpreter("nobody", "unshare", "--pid", "--fork", "--mount-proc")),
        }
        stack.enter_context(clients(attacked.elsewhere["wrong"], PORT))
        for name in ("restarted", "wrong"):
            server = attacked.elsewhere[name].server
            stack.callback(attacked.stop_service, name)
            hosts[name] = attacked.host(name, **attacked.service(name, server))
        attacked.site.server.ban("flushed", *FLUSHED)
        attacked.site.net.run("iptables", "-F", "f2b-flushed")
        (attacked.elsewhere["wrong"].server.config / "jail.local").write_text("[wrong]\nfilter = nosuchfilter\n")
        with alone(), ssh_session(attacked.site, attacked.place):
            done = attacked.play(hosts, *ACTING)
        yield Later(
            done=done, banned={name: attacked.banned(name) for name in hosts if name != "stopped"}, rules=attacked.site.rules(),
            iptables=attacked.site.net.run("iptables-save"),
            operator_got_in=attacked.site.reaches(OPERATOR, SERVER, SESSION_PORT),
            attacker_got_in={"wrong": attacked.elsewhere["wrong"].reaches(ATTACKER, SERVER, PORT)},
        )


def test_the_worst_are_kept_out_and_the_operator_is_not(approved: Approved, later: Later, attacked: Attacked) -> None:
    assert approved.checked.failed <= {"stopped"}, approved.checked.output
    assert approved.between == approved.before, "check mode touches nothing"
    assert len(approved.checked.plan()["actions"]["fw1"]) == 4
    assert "fw1" not in approved.done.failed, approved.done.output
    approved.done.assert_record_verifies()
    assert approved.done.outcomes("fw1") == ["done"] * 4
    assert approved.banned["fw1"] == sorted(WORST)
    assert attacked.site.reaches(OPERATOR, SERVER, PORT) and not attacked.site.reaches(ATTACKER, SERVER, PORT)
    assert OPERATOR in approved.done.spared("fw1")

    assert "fw1" not in later.done.failed, later.done.output
    assert later.done.recap("fw1")["changed"] == 0 and later.banned["fw1"] == sorted(WORST)


def test_more_attackers_than_the_limit(later: Later) -> None:
    """The worst are banned, as many as the limit allows; those left over are named, and while they go on it is not over."""
    worst = four(20)
    assert later.done.status == 2 and "limited" in later.done.failed, later.done.output
    left = f"2 attackers remain over the limit of fail2ban_max_victims and are not banned: {', '.join(worst[2:])}."
    assert left in later.done.said
    assert later.banned["limited"] == sorted(worst[:2])
    assert later.done.spared("limited") >= set(worst[2:])


def test_attackers_of_whom_none_is_kept_out(later: Later) -> None:
    """Nobody to keep out is no proof where there was somebody to ban; the operator who mistypes is nobody to ban."""
    assert "spared" in later.done.failed, later.done.output
    assert "attackers were found and none is kept out" in later.done.said
    assert "mistyped" not in later.done.failed, later.done.output


def test_only_the_approved_plan_is_carried_out(approved: Approved) -> None:
    assert approved.banned["approved"] == four(30)[:1]
    # The others attack as well: that is not recovered, and they are named.
    assert approved.done.failed == {"approved"}, approved.done.output
    assert "3 attackers are not banned" in approved.done.said and "203.0.113.31 (not_approved)" in approved.done.said


def test_an_attack_that_no_single_address_shows_is_not_over(later: Later) -> None:
    assert "spread" in later.done.failed, later.done.output
    assert "320 failed logins of addresses that nobody keeps out remain" in later.done.said
    assert later.banned["spread"] == []


def test_a_network_is_banned_where_its_addresses_are_no_use(later: Later) -> None:
    assert "near" not in later.done.failed, later.done.output
    assert later.banned["near"] == ["198.51.100.0/24"] and "-s 198.51.100.0/24 -j REJECT" in later.iptables


def test_after_a_login_that_may_be_a_guess_it_is_not_called_recovered(later: Later) -> None:
    assert "guessed" in later.done.failed, later.done.output
    assert "Somebody may have got in: login_after_failures 203.0.113.200:" in later.done.said
    assert later.banned["guessed"] == sorted(four(120)), "and the attackers were banned all the same"


def test_bans_whose_rules_were_flushed_are_made_again(later: Later) -> None:
    assert "flushed" not in later.done.failed, later.done.output
    assert later.done.outcomes("flushed") == ["done"] * 2
    assert all(f"-s {address}/32 -j REJECT" in later.iptables for address in FLUSHED)


def test_verify_alone_looks_at_the_logs_itself(later: Later, attacked: Attacked) -> None:
    """Whom they show must be kept out, and what nobody keeps out is named."""
    hosts = {"fw1": attacked.host("fw1"), "spread": attacked.host("spread"), "approved": attacked.host("approved", **IN_VAIN)}
    done = attacked.play(hosts, "--tags", "verify")
    assert "fw1" not in done.failed, done.output
    assert "spread" in done.failed and "320 failed logins of addresses that nobody keeps out remain" in done.said, done.output
    assert "approved" in done.failed and f"kept_out {four(30)[1]}: every tcp port: nothing drops it" in done.said, done.output


def test_nobody_is_banned_while_no_operator_is_known(later: Later) -> None:
    assert "nobody" in later.done.failed, later.done.output
    assert "Nobody can tell where the operator of this host comes from" in later.done.said
    assert later.banned["nobody"] == []
    assert not any(attacker in later.rules for attacker in four(60))


def test_private_networks_are_not_banned_by_accident(later: Later) -> None:
    assert "private" not in later.done.failed, later.done.output
    assert later.banned["private"] == ["203.0.113.40"]
    assert {"10.1.2.3", "fd00::7"} <= later.done.spared("private")
    assert "allowed" not in later.done.failed, later.done.output
    assert later.banned["allowed"] == sorted(["203.0.113.44", "10.1.2.5", "fd00::8"])


def test_who_is_logged_in_over_ssh_is_never_banned(later: Later) -> None:
    """A real session of a real sshd, and nothing else that would say who the operator is."""
    assert "session" not in later.done.failed, later.done.output
    assert later.banned["session"] == sorted(four(50))
    assert later.operator_got_in


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


def test_the_wrapper(attacked: Attacked) -> None:
    attacked.site.group("firewall", fw1=attacked.host("wrapped"))
    done = attacked.site.incident("--yes")
    assert done.status == 0, done.output
    assert attacked.banned("wrapped") == sorted(four(90))
    again = attacked.site.incident("--check")
    assert again.status == 5, again.output


def test_a_broken_daemon_is_no_success(approved: Approved, later: Later) -> None:
    assert "stopped" in later.done.failed, later.done.output
    assert approved.checked.findings("investigate", "stopped")["server"] == "critical"
    assert later.done.findings("verify", "stopped")["daemon"] == "critical"
    assert later.done.outcomes("stopped") == approved.checked.outcomes("stopped") == []


def test_wrong_input_is_an_error_before_anything_runs(attacked: Attacked) -> None:
    """One play with every mistake, and each is named."""
    before = attacked.site.state()
    done = attacked.play({
        "octets": attacked.host("fw1", fail2ban_never_ban=["192.0.2.999"]), "many": attacked.host("fw1", fail2ban_max_victims="many"),
    }, fail2ban_max_victim=3)
    assert done.status == 2, done.output
    for said in (
        "192.0.2.999 is neither an IP address nor a network", "argument 'fail2ban_max_victims' is of type str",
        "fail2ban_max_victim is unknown; did you mean fail2ban_max_victims?",
    ):
        assert said in done.said, done.output
    assert attacked.site.state() == before


def test_the_daemon_is_restarted_when_that_was_asked_for(later: Later, attacked: Attacked) -> None:
    assert "restarted" not in later.done.failed, later.done.output
    assert later.done.outcomes("restarted") == ["done"] * 5
    assert "restart fail2ban" in attacked.calls("restarted")
    assert later.banned["restarted"] == sorted(WORST), "its database brings the bans back"


def test_a_daemon_whose_configuration_is_wrong_is_left_running(later: Later, attacked: Attacked) -> None:
    assert "wrong" in later.done.failed, later.done.output
    assert "does not validate" in later.done.said
    assert "restart" not in attacked.calls("wrong")
    assert not later.attacker_got_in["wrong"], "and the attackers were banned all the same"
