# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban_ban against a real fail2ban, with a real sshd in the same network namespace and its client in another."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.support.fail2ban import Fail2ban, fail2ban
from tests.support.need import need
from tests.support.netns import peer_of
from tests.support.run_module import start_module
from tests.support.until import until

SSHD = "/usr/sbin/sshd"


def ban(daemon: Fail2ban, *addresses: str, check: bool = False, **args: Any) -> dict[str, Any]:
    return daemon.module("fail2ban_ban", check=check, addresses=list(addresses), **{"jail": "ipt", "never_ban": ["192.0.2.250"], **args})


def states(result: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(action["target"]["address"], action["outcome"], action["detail"].get("state")) for action in result["actions"]]


def spared(result: dict[str, Any]) -> dict[str, list[str]]:
    return {one["target"]["address"]: one["reasons"] for one in result["protected"]}


@contextlib.contextmanager
def sshd(daemon: Fail2ban, directory: Path) -> Iterator[list[str]]:
    """A real sshd on port 2222 of the namespace, with a key; gives the argv of a client that stays, to be run in the other namespace."""
    need(Path(SSHD).exists() and shutil.which("ssh") and shutil.which("ssh-keygen"), "openssh-server and openssh-client")
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    shutil.copy(directory / "user.pub", directory / "authorized_keys")
    (directory / "config").write_text(
        f"Port 2222\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
        f"UsePAM no\nPidFile {directory}/pid\nLoginGraceTime 100\nMaxStartups 50\n")
    server = daemon.net.start(SSHD, "-D", "-f", str(directory / "config"), "-E", str(directory / "log"))
    try:
        until(lambda: ":2222" in daemon.net.run("ss", "-tln"), what="sshd")
        yield ["ssh", "-F", "none", "-i", str(directory / "user"), "-o", "StrictHostKeyChecking=no",
               "-o", f"UserKnownHostsFile={directory}/known", "-o", "BatchMode=yes", "-p", "2222",
               "-b", "198.18.0.3", f"{getpass.getuser()}@198.18.0.1", "echo in; exec sleep 120"]
    finally:
        server.terminate()
        server.wait(timeout=10)


def test_whom_it_bans_and_whom_it_spares(daemon: Fail2ban) -> None:
    result = ban(daemon, "192.0.2.1", "2001:DB8::1", "10.1.2.3", "127.0.0.1", "198.18.0.1", "192.0.2.250", allow_private=False)
    assert states(result) == [("192.0.2.1", "done", "banned"), ("2001:db8::1", "done", "banned")], result.get("msg")
    # A session of another test, over the loopback, may be there too.
    assert {address: [why for why in found if why != "operator"] for address, found in spared(result).items()} == {
        "10.1.2.3": ["private"], "127.0.0.1": ["own_address", "loopback"], "198.18.0.1": ["own_address"], "192.0.2.250": ["never_ban"]}
    assert sorted(daemon.banned("ipt")) == ["192.0.2.1", "2001:db8::1"]
    assert "-s 192.0.2.1/32 -j REJECT" in daemon.net.run("iptables-save")
    again = ban(daemon, "192.0.2.1")
    assert states(again) == [("192.0.2.1", "not_needed", "already_banned")] and not again["changed"]
    daemon.client("unban", "--all")


def test_check_mode_and_approval(daemon: Fail2ban) -> None:
    before = daemon.net.run("iptables-save", "-t", "filter"), daemon.database.read_bytes()
    plan = ban(daemon, "192.0.2.2", check=True)
    assert states(plan) == [("192.0.2.2", "planned", None)] and plan["changed"]
    assert daemon.database.read_bytes() == before[1] and not daemon.banned("ipt")
    assert [action["outcome"] for action in ban(daemon, "192.0.2.2", approved=[])["actions"]] == ["refused"]
    done = ban(daemon, "192.0.2.2", approved=[plan["actions"][0]["id"]])
    assert states(done) == [("192.0.2.2", "done", "banned")]
    ends = done["actions"][0]["temporary"]
    assert ends["ends"] == "api" and ends["lasts"] > 0 and ends["expires"].endswith("Z")
    assert ends["undo"]["address"] == "192.0.2.2" and ends["undo"]["banned_at"]
    daemon.client("unban", "--all")


def test_over_the_limit_nobody_is_banned(daemon: Fail2ban) -> None:
    result = ban(daemon, "192.0.2.3", "192.0.2.4", max_victims=3, spent=2)
    assert result["failed"] and result["error"] == "limit_exceeded" and not daemon.banned("ipt")
    assert [(one["outcome"], one["detail"]["why"]) for one in result["actions"]] == [("refused", "limit_exceeded")] * 2


def test_limits_count_what_is_approved_and_who_is_left_is_named(daemon: Fail2ban) -> None:
    both = ("192.0.2.20", "192.0.2.21")
    plan, again = (ban(daemon, *both, check=True)["actions"] for _time in range(2))
    assert plan == again
    first = ban(daemon, *both, approved=plan[1:], max_victims=1)
    assert not first.get("failed") and [one["outcome"] for one in first["actions"]] == ["refused", "done"], first
    left = ban(daemon, "192.0.2.22", "192.0.2.23", max_victims=1, over_limit="leave")
    assert states(left) == [("192.0.2.22", "done", "banned")] and spared(left) == {"192.0.2.23": ["over_limit"]}
    named = ban(daemon, "192.0.2.23", "192.0.2.24", check=True)["actions"]
    over = ban(daemon, "192.0.2.23", "192.0.2.24", approved=named, max_victims=1, over_limit="leave")
    assert [(one["target"]["address"], one["outcome"], one["detail"].get("why")) for one in over["actions"]] == [
        ("192.0.2.23", "done", None), ("192.0.2.24", "refused", "limit_exceeded")]
    daemon.client("unban", "--all")


def test_every_approved_address_is_answered_also_who_is_protected_or_banned_by_now(daemon: Fail2ban) -> None:
    addresses = ("192.0.2.30", "192.0.2.31", "192.0.2.32")
    plan = ban(daemon, *addresses, check=True)["actions"]
    daemon.ban("ipt", "192.0.2.31")
    result = ban(daemon, *addresses[:2], approved=plan, never_ban=["192.0.2.30"])
    assert {one["target"]["address"]: (one["outcome"], one["detail"]["why"], one["touched"]) for one in result["actions"]} == {
        "192.0.2.30": ("refused", "protected", False), "192.0.2.31": ("not_needed", "already_so", False),
        "192.0.2.32": ("moved_on", "no_longer_matches", False),
    }
    assert not result["changed"] and daemon.banned("ipt") == ["192.0.2.31"]
    gone = [{**one, "id": one["id"].replace("jail=ipt", "jail=nix"), "identity": {**one["identity"], "jail": "nix"}} for one in plan]
    nowhere = ban(daemon, *addresses, jail="nix", approved=gone)
    assert nowhere["error"] == "bad_input" and [one["detail"]["why"] for one in nowhere["actions"]] == ["not_tried"] * 3
    assert "there is no nix" in nowhere["actions"][0]["detail"]["error"]
    daemon.client("unban", "--all")


def test_two_runs_never_ban_at_once(daemon: Fail2ban) -> None:
    plan = ban(daemon, "192.0.2.33", check=True)["actions"]
    with acting_alone("bans", by=str(daemon.directory)):
        result = ban(daemon, "192.0.2.33", approved=plan)
        assert ban(daemon, "192.0.2.33", check=True)["changed"], "check mode needs no lock"
        lifting = daemon.module("fail2ban_unban", addresses=["192.0.2.33"])
    assert result["error"] == lifting["error"] == "locked" and not daemon.banned("ipt")
    assert [(one["id"], one["outcome"], one["detail"]["why"]) for one in result["actions"]] == [(plan[0]["id"], "refused", "locked")]


def test_after_the_time_is_over_nobody_is_banned_and_each_says_so(daemon: Fail2ban, tmp_path: Path) -> None:
    """The packet filter's reading takes longer than the module may."""
    double = tmp_path / "nft"
    double.write_text(f'#!/bin/sh\ntest -e {tmp_path}/slept || {{ touch {tmp_path}/slept; sleep 3; }}\nexec {shutil.which("nft")} "$@"\n')
    double.chmod(0o755)
    plan = ban(daemon, "192.0.2.34", check=True)["actions"]
    result = ban(daemon, "192.0.2.34", approved=plan, timeout="2s", env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert result["failed"] and not result.get("changed") and not daemon.banned("ipt")
    (action,) = result["actions"]
    # On a busy machine the daemon's own answers may take that long already: then nothing was even looked at.
    expected = {"actions_failed": "out_of_time", "cannot_reach": "not_tried"}[result["error"]]
    assert (action["outcome"], action["detail"]["why"], action["touched"]) == ("failed", expected, False), action


@pytest.mark.parametrize(("jail", "flush"), [
    ("ipt", ["iptables -F f2b-ipt"]), ("ipt", ["iptables -F", "iptables -X"]), ("set", ["ipset flush f2b-set"]),
    ("recidive", ["nft delete table inet f2b-table"]),
])
def test_a_ban_whose_rule_was_flushed_is_made_again(daemon: Fail2ban, jail: str, flush: list[str]) -> None:
    """The daemon says that it bans, and nobody is kept out: `fail2ban-client reload` mends it as little as a second banip does."""
    address = "192.0.2.40"
    daemon.ban(jail, address)
    for command in flush:
        daemon.net.run(*command.split())
    plan = ban(daemon, address, jail=jail, check=True)
    assert states(plan) == [(address, "planned", "not_filtered")] and "no packet filter" in plan["actions"][0]["reason"]
    assert not daemon.module("access_health", kept_out=[address], daemon=False)["findings"][0]["status"] == "ok"
    over = ban(daemon, address, jail=jail, max_victims=0)
    assert over["error"] == "limit_exceeded"
    done = ban(daemon, address, jail=jail, approved=plan["actions"])
    assert states(done) == [(address, "done", "banned")] and done["changed"], done
    assert daemon.module("access_health", kept_out=[address], daemon=False)["findings"][0]["status"] == "ok"
    again = ban(daemon, address, jail=jail, approved=plan["actions"])
    assert states(again) == [(address, "not_needed", "already_banned")] and not again["changed"]
    daemon.client("unban", "--all")


def test_a_ban_in_a_set_that_cannot_be_read_is_not_called_banned(daemon: Fail2ban, tmp_path: Path) -> None:
    double = tmp_path / "ipset"
    double.write_text("#!/bin/sh\necho 'ipset v7.17: Kernel error received: Operation not permitted' >&2; exit 1\n")
    double.chmod(0o755)
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    result = ban(daemon, "192.0.2.41", jail="set", env=env)
    assert states(result) == [("192.0.2.41", "unknown", "not_measured")] and result["failed"] and result["changed"], result
    assert states(ban(daemon, "192.0.2.41", jail="set", env=env)) == [("192.0.2.41", "not_needed", "already_banned")]
    daemon.client("unban", "--all")


@pytest.mark.parametrize("wrong", [{"jail": "nix"}, {"never_ban": ["999.1.1.1"]}, {"bantime": "5m"}, {"addresses": ["www.example.org"]}])
def test_wrong_input_bans_nobody(daemon: Fail2ban, wrong: dict[str, Any]) -> None:
    result = daemon.module("fail2ban_ban", **{"addresses": ["192.0.2.5"], "jail": "ipt", "never_ban": ["192.0.2.250"], **wrong})
    assert result["failed"] and result["error"] == "bad_input" and not daemon.banned("ipt")


def test_the_jails_own_bantime_is_fine_and_its_ignore_list_counts(daemon: Fail2ban) -> None:
    daemon.client("set", "ipt", "addignoreip", "192.0.2.64/28")
    result = ban(daemon, "192.0.2.6", "192.0.2.66", bantime="1h")
    assert states(result) == [("192.0.2.6", "done", "banned")] and spared(result) == {"192.0.2.66": ["ignored_by_jail"]}
    daemon.client("set", "ipt", "delignoreip", "192.0.2.64/28")
    daemon.client("unban", "--all")


def test_a_ban_that_filters_nothing_fails(daemon: Fail2ban) -> None:
    daemon.client("set", "sshd", "action", "nftables-multiport", "actionban", "true")
    result = ban(daemon, "192.0.2.7", jail="sshd")
    assert result["failed"] and states(result) == [("192.0.2.7", "failed", "not_filtered")]
    assert result["changed"] and result["actions"][0]["touched"], "the daemon has the ban"
    alone = ban(daemon, "192.0.2.8", jail="sshd", verify=[])
    assert states(alone) == [("192.0.2.8", "done", "banned")]
    daemon.client("unban", "--all")


def test_a_ban_whom_another_rule_lets_in_is_not_called_banned(daemon: Fail2ban) -> None:
    assert states(ban(daemon, "192.0.2.9")) == [("192.0.2.9", "done", "banned")]
    accept = ["INPUT", "-s", "192.0.2.0/24", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]
    daemon.net.run("iptables", "-I", *accept)
    result = ban(daemon, "192.0.2.10")
    assert result["failed"] and states(result) == [("192.0.2.10", "failed", "let_in")] and result["changed"]
    assert "-s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT lets it in" in result["actions"][0]["detail"]["error"]
    kept = daemon.module("access_health", kept_out=["192.0.2.10"], daemon=False)
    assert kept["status"] == "critical", "whoever measures afterwards says the same"
    daemon.net.run("iptables", "-D", *accept)
    assert states(ban(daemon, "192.0.2.10", "192.0.2.11")) == [
        ("192.0.2.10", "not_needed", "already_banned"), ("192.0.2.11", "done", "banned")]
    daemon.client("unban", "--all")


def test_without_an_operator_nobody_is_banned(daemon: Fail2ban) -> None:
    """In a process namespace of its own there is no sshd and no ancestor with SSH_CONNECTION, as behind AWX or a bastion."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc", "env", "-u", "SSH_CONNECTION", "-u", "SSH_CLIENT"]
    known = {"socket": str(daemon.socket), "client_command": daemon.client_command, "addresses": ["192.0.2.9"], "jail": "ipt"}
    for check in (True, False):
        result = start_module("fail2ban_ban", prefix=[*daemon.net.prefix, *alone], check=check, **known).result(timeout=120)
        assert result["failed"] and result["error"] == "blind" and "never_ban" in result["msg"], result
    assert not daemon.banned("ipt")
    named = start_module("fail2ban_ban", prefix=[*daemon.net.prefix, *alone], never_ban=["192.0.2.250"], **known).result(timeout=120)
    assert states(named) == [("192.0.2.9", "done", "banned")]
    variable = start_module(
        "fail2ban_ban", prefix=[*daemon.net.prefix, *alone, "SSH_CONNECTION=203.0.113.50 1 198.18.0.1 22"],
        **{**known, "addresses": ["203.0.113.50", "203.0.113.51"]}).result(timeout=120)
    assert spared(variable) == {"203.0.113.50": ["operator"]} and states(variable) == [("203.0.113.51", "done", "banned")]
    daemon.client("unban", "--all")


def test_whoever_is_logged_in_by_ssh_is_never_banned(daemon: Fail2ban, tmp_path: Path) -> None:
    """A real session from 198.18.0.3, and a connection from 198.18.0.2 that has not logged in, as a guesser holds it."""
    other = peer_of(daemon.net)
    with sshd(daemon, tmp_path) as client:
        session = subprocess.Popen(
            [*other.prefix, *client], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        knocking = other.start("python3", "-c", "import socket,time; s=socket.create_connection(('198.18.0.1', 2222), source_address="
                               "('198.18.0.2', 0)); s.recv(100); time.sleep(120)")
        try:
            assert session.stdout is not None
            assert session.stdout.readline() == "in\n", session.stderr and session.stderr.read()
            until(lambda: "198.18.0.2" in daemon.net.run("ss", "-tn"), what="the other's connection")
            result = ban(daemon, "198.18.0.3", "198.18.0.0/30", "198.18.0.2", never_ban=[])
            assert "operator" in spared(result)["198.18.0.3"] and "operator" in spared(result)["198.18.0.0/30"]
            assert states(result) == [("198.18.0.2", "done", "banned")], result.get("msg")
            assert "198.18.0.3" in result["operators"]
        finally:
            for process in (session, knocking):
                process.kill()
                process.wait(timeout=10)
            session.stdout.close()  # type: ignore[union-attr]
            session.stderr.close()  # type: ignore[union-attr]
    daemon.client("unban", "--all")


def test_a_session_that_ends_before_the_ban_is_an_operators_still(daemon: Fail2ban, tmp_path: Path) -> None:
    """The operator's connection breaks between the plan and the act: the first reading of the packet filter, which lies between,
    ends it. Neither is the operator banned then, nor does its place in the list make one more than the limit."""
    (tmp_path / "ssh").mkdir()
    (tmp_path / "bin").mkdir()
    with sshd(daemon, tmp_path / "ssh") as client:
        session = subprocess.Popen(
            [*peer_of(daemon.net).prefix, *client], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert session.stdout is not None and session.stdout.readline() == "in\n"
            double = tmp_path / "bin" / "nft"
            double.write_text(
                f"#!/bin/sh\nkill -9 {session.pid} 2>/dev/null\n"
                f"for _try in $(seq 100); do ss -tnH state established dst 198.18.0.3 | grep -q . || break; sleep 0.1; done\n"
                f'exec {shutil.which("nft")} "$@"\n')
            double.chmod(0o755)
            result = ban(daemon, "198.18.0.3", "192.0.2.90", never_ban=[], max_victims=1,
                         env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"})
            assert session.wait(timeout=10) == -9
            assert "operator" in spared(result)["198.18.0.3"], result
            assert states(result) == [("192.0.2.90", "done", "banned")] and daemon.banned("ipt") == ["192.0.2.90"]
            assert "198.18.0.3" in result["operators"]
        finally:
            session.kill()
            session.communicate(timeout=10)
    daemon.client("unban", "--all")


def test_whoever_logs_in_after_the_look_is_never_banned_either(daemon: Fail2ban, tmp_path: Path) -> None:
    """The session begins while the packet filter is read, which comes after the look for operators: it is tested again in the same step."""
    (tmp_path / "ssh").mkdir()
    (tmp_path / "bin").mkdir()
    with sshd(daemon, tmp_path / "ssh") as client:
        plan = ban(daemon, "198.18.0.3", "192.0.2.91", check=True)["actions"]
        came, double = tmp_path / "came", tmp_path / "bin" / "nft"
        login = shlex.join(["setsid", *peer_of(daemon.net).prefix, *client])
        double.write_text(
            f"#!/bin/sh\ntest -e {came} || {{ {login} > {came} 2> /dev/null < /dev/null & echo $! > {tmp_path}/pid\n"
            f"for _try in $(seq 100); do grep -q in {came} && break; sleep 0.1; done; }}\nexec {shutil.which('nft')} \"$@\"\n")
        double.chmod(0o755)
        try:
            result = ban(daemon, "198.18.0.3", "192.0.2.91", approved=plan,
                         env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"})
        finally:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert came.read_text() == "in\n", came.read_text()
        assert [(one["target"]["address"], one["outcome"], one["detail"].get("why")) for one in result["actions"]] == [
            ("198.18.0.3", "refused", "protected"), ("192.0.2.91", "done", None)], result
        assert "198.18.0.3" in result["operators"] and daemon.banned("ipt") == ["192.0.2.91"]
    daemon.client("unban", "--all")


def test_a_client_that_is_banned_is_kept_out_and_let_in_again(daemon: Fail2ban) -> None:
    """What it is all for: packets from another namespace."""
    other = peer_of(daemon.net)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    listener = daemon.net.start("python3", "-m", "http.server", "22", "--bind", "198.18.0.1", **quiet)

    def reached() -> bool:
        script = "import socket; socket.create_connection(('198.18.0.1', 22), 2, source_address=('198.18.0.2', 0)).close()"
        return subprocess.run([*other.prefix, "python3", "-c", script], capture_output=True, check=False, timeout=30).returncode == 0

    try:
        until(reached, what="the server")
        assert states(ban(daemon, "198.18.0.2")) == [("198.18.0.2", "done", "banned")]
        assert not reached()
        result = daemon.module("fail2ban_unban", addresses=["198.18.0.2"], observe="0.3s")
        assert result["unbanned"] == [{"jail": "ipt", "address": "198.18.0.2"}]
        assert reached()
    finally:
        listener.kill()
        listener.wait(timeout=10)


#: nftables-multiport with sets that take networks, as later versions of fail2ban have it: an entry that overlaps another one is refused.
INTERVALS = """
[INCLUDES]
before = nftables-multiport.conf
[Definition]
_nft_add_set = <nftables> add set <table_family> <table> <addr_set> \\{ type <addr_type>\\; flags interval\\; \\}
              <_nft_for_proto-<type>-iter>
              <nftables> add rule <table_family> <table> <chain> %(rule_stat)s
              <_nft_for_proto-<type>-done>
"""
NETWORKS = ("203.0.113.0/24", "2001:db8:7::/64")


def test_networks_are_banned_by_an_action_that_can(daemon: Fail2ban) -> None:
    result = ban(daemon, *NETWORKS)
    assert states(result) == [(one, "done", "banned") for one in NETWORKS]
    kept = daemon.module("access_health", kept_out=["203.0.113.77", "2001:db8:7::77"], daemon=False)
    assert kept["status"] == "ok", kept["findings"]
    inside = ban(daemon, "203.0.113.77", NETWORKS[0])
    assert states(inside) == [(one, "not_needed", "already_banned") for one in ("203.0.113.77", NETWORKS[0])]
    daemon.client("unban", "--all")


def test_a_network_with_an_operator_or_this_host_in_it_is_spared(daemon: Fail2ban) -> None:
    result = ban(daemon, "192.0.2.0/24", "198.18.0.0/24", "10.1.2.0/24", "0.0.0.0/8")
    assert not daemon.banned("ipt") and result["actions"] == []
    expected = {"192.0.2.0/24": "never_ban", "198.18.0.0/24": "own_address", "10.1.2.0/24": "private", "0.0.0.0/8": "too_wide"}
    assert all(reason in spared(result)[network] for network, reason in expected.items()), spared(result)


def test_a_network_that_the_action_cannot_drop_is_taken_back(daemon: Fail2ban) -> None:
    """Sets of single addresses: fail2ban says that it bans the network, and every packet comes through."""
    daemon.ban("recidive", "203.0.113.5")
    result = ban(daemon, NETWORKS[0], jail="recidive")
    assert states(result) == [(NETWORKS[0], "failed", "not_banned")] and result["failed"], result
    assert "was taken back" in result["actions"][0]["detail"]["error"]
    assert daemon.banned("recidive") == ["203.0.113.5"], "and who was banned before is so again"
    assert daemon.module("access_health", kept_out=["203.0.113.5"], daemon=False)["status"] == "ok"
    assert daemon.module("fail2ban_health", asked=["ban_rules"])["healthy"] is True
    daemon.client("unban", "--all")


def test_a_network_over_addresses_that_are_banned_already() -> None:
    with fail2ban({"wide": {"banaction": "intervals"}}, actions={"intervals": INTERVALS}) as server:
        server.ban("wide", "203.0.113.5", "203.0.113.9")
        result = ban(server, NETWORKS[0], jail="wide")
        assert states(result) == [(NETWORKS[0], "done", "banned")], result
        assert server.banned("wide") == [NETWORKS[0]]
        assert server.module("access_health", kept_out=["203.0.113.5", NETWORKS[0]], daemon=False)["status"] == "ok"


def test_bans_whose_rules_are_gone_are_made_again_whoever_is_named(daemon: Fail2ban) -> None:
    """Somebody flushed the packet filter hours after the attack: the logs name nobody, and the daemon says that it bans."""
    lost = [f"192.0.2.{number}" for number in range(100, 104)]
    daemon.ban("ipt", *lost, "192.0.2.250")
    assert ban(daemon, repair=True)["actions"] == [], "nothing is missing"
    daemon.net.run("iptables", "-F", "f2b-ipt")
    plan = ban(daemon, repair=True, check=True)
    assert states(plan) == [(one, "planned", "not_filtered") for one in lost] and spared(plan) == {"192.0.2.250": ["never_ban"]}
    assert [one["id"] for one in ban(daemon, *lost, check=True)["actions"]] == [one["id"] for one in plan["actions"]], "as if named"
    few = ban(daemon, repair=True, max_victims=1, over_limit="leave", check=True)
    assert states(few) == [(lost[0], "planned", "not_filtered")] and set(spared(few)) == {*lost[1:], "192.0.2.250"}
    done = ban(daemon, repair=True, approved=plan["actions"])
    assert states(done) == [(one, "done", "banned") for one in lost] and done["changed"]
    rules = daemon.net.run("iptables-save")
    assert all(f"-s {one}/32 -j REJECT" in rules for one in lost)
    assert ban(daemon, repair=True)["actions"] == []
    daemon.client("unban", "--all")


def test_nothing_to_repair_needs_no_operator(daemon: Fail2ban) -> None:
    assert ban(daemon, repair=True, never_ban=[])["actions"] == []
    assert ban(daemon, repair=True, jail="nix")["actions"] == [], "whether the jail is there is asked elsewhere"
