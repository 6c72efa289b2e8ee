# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban_health, firewall_trace and failed_logins: what they see on a real host, and that they only look."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.fail2ban import Fail2ban, fail2ban
from tests.support.netns import Namespace, namespace
from tests.support.until import until


def health(daemon: Fail2ban, **args: Any) -> dict[str, Any]:
    return daemon.module("fail2ban_health", **args)


def finding(result: dict[str, Any], check: str, subject: str | None = None) -> dict[str, Any]:
    (found,) = [one for one in result["findings"] if one["check"] == check and subject in (None, one["subject"])]
    return dict(found)


def test_a_healthy_daemon(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.1", "2001:db8::1")
    daemon.ban("ipt", "192.0.2.1")
    daemon.ban("set", "192.0.2.1", "2001:db8::1")
    rules = daemon.net.run("nft", "list", "ruleset")
    result = health(daemon, expected_jails=["sshd", "recidive"])
    assert result["status"] == "ok", result["findings"]
    assert result["count"] == 5 and not result["changed"]
    assert [one["name"] for one in result["jails"] if one["recidive"]] == ["recidive"]
    assert daemon.net.run("nft", "list", "ruleset") == rules
    assert finding(health(daemon, warning_bans=5), "bans")["status"] == "warning"
    daemon.client("unban", "--all")


def test_bans_without_rules_and_rules_without_bans(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.2")
    daemon.ban("bad", "192.0.2.3")
    daemon.net.run("nft", "flush", "set", "inet", "f2b-table", "addr-set-sshd")
    daemon.broken.touch()
    daemon.client("set", "bad", "unbanip", "192.0.2.3")
    result = health(daemon)
    assert result["status"] == "critical"
    assert finding(result, "ban_rules", "sshd")["detail"]["without_rule"] == ["192.0.2.2"]
    assert finding(result, "leftover_rules")["detail"]["rules"][0]["address"] == "192.0.2.3"
    daemon.broken.unlink()
    daemon.client("unban", "--all")
    daemon.net.run("nft", "flush", "set", "inet", "f2b-table", "addr-set-bad")


def test_what_the_hint_says_writes_the_rules_again(daemon: Fail2ban) -> None:
    """A plain reload keeps the bans, and makes no rule of those that the server has."""
    daemon.ban("ipt", "192.0.2.4")
    # The restart takes them out of the database, which the server writes some time after it has answered.
    until(lambda: daemon.module("fail2ban_unban", check=True, addresses=["192.0.2.4"])["before"][0]["count"], what="the database's row")
    daemon.net.run("iptables", "-F", "f2b-ipt")
    hint = finding(health(daemon), "ban_rules", "ipt")["hint"]
    daemon.client(*re.findall(r"fail2ban-client ([\w -]+?) writes", hint)[0].split())
    until(lambda: "192.0.2.4" in daemon.net.run("iptables-save"), what="the rule")
    assert finding(health(daemon), "ban_rules", "ipt")["status"] == "ok"
    daemon.client("unban", "--all")


def test_what_the_hint_says_where_there_is_no_database() -> None:
    """A jail that is restarted would forget its bans."""
    with fail2ban({"sshd": {}}, database="None") as daemon:
        daemon.ban("sshd", "192.0.2.4", "192.0.2.5")
        daemon.net.run("nft", "flush", "ruleset")
        found = finding(health(daemon), "ban_rules", "sshd")
        commands = re.findall(r"fail2ban-client (set \w+ (?:unbanip|banip) \S+)", found["hint"])
        assert found["observed"] == 2 and len(commands) == 2, found
        for command in commands:
            daemon.client(*command.split())
        assert finding(health(daemon), "ban_rules", "sshd")["detail"]["without_rule"] == ["192.0.2.5"]


def test_missing_jails_and_logs() -> None:
    with fail2ban({"sshd": {}}) as daemon:
        daemon.log("sshd").unlink()
        result = health(daemon, expected_jails=["sshd", "web"])
        assert finding(result, "jails")["subject"] == "web" and finding(result, "jails")["status"] == "critical"
        assert finding(result, "jail_log")["status"] == "critical"
        daemon.stop()
        down = health(daemon, backend="fail2ban")
        assert down["status"] == "critical" and finding(down, "server")["observed"] in ("no_socket", "not_running")


def test_who_may_not_look_is_told_so(daemon: Fail2ban) -> None:
    """As nobody: that is no verdict on the daemon."""
    os.chmod(daemon.directory, 0o755)
    result = start_as_nobody(daemon.net, "fail2ban_health", socket=str(daemon.socket), backend="fail2ban")
    assert result["failed"] and result["error"] == "cannot_reach" and result["reason"] == "permission"


def start_as_nobody(net: Namespace, module: str, **args: Any) -> dict[str, Any]:
    from tests.support.run_module import start_module

    # Who may read all files, so that this Python starts wherever it is; a socket needs more, and so does the packet filter.
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *reads]
    return start_module(module, prefix=[*net.prefix, *nobody], **args).result(timeout=60)


def trace(net: Namespace, *addresses: str, **args: Any) -> dict[str, Any]:
    return net.module("firewall_trace", addresses=list(addresses), **{"bans": False, **args})


def causes(result: dict[str, Any]) -> dict[str, str]:
    return {one["address"]: one["cause"] for one in result["addresses"]}


def test_from_the_address_point_of_view(daemon: Fail2ban) -> None:
    net = daemon.net
    daemon.ban("sshd", "192.0.2.10")
    daemon.ban("set", "192.0.2.15")
    for command in (
        "iptables -A INPUT -s 203.0.113.0/24 -j DROP", "iptables -I INPUT -s 203.0.113.9 -j ACCEPT",
        "ip route add blackhole 198.51.100.0/25",
        "ip route add prohibit 198.51.100.128/25", "ipset create black hash:net", "ipset add black 192.0.2.16/30",
        "iptables -A INPUT -m set --match-set black src -j REJECT", "ip6tables -A INPUT -s 2001:db8:bad::/48 -j DROP",
        "iptables-legacy -A INPUT -s 192.0.2.30 -j DROP", "nft add table inet mine",
        "nft add chain inet mine in { type filter hook input priority 5; }",
        "nft add set inet mine guests { type ipv4_addr; flags interval; }", "nft add element inet mine guests { 192.0.2.32/28 }",
        "nft add rule inet mine in tcp dport 8080 ip saddr @guests drop",
    ):
        net.run(*command.split())
    expected = {
        "192.0.2.10": "fail2ban", "192.0.2.15": "fail2ban", "203.0.113.8": "firewall", "203.0.113.9": "none", "198.51.100.1": "route",
        "198.51.100.200": "route", "192.0.2.17": "firewall", "2001:db8:bad::5": "firewall", "192.0.2.30": "firewall",
        "192.0.2.40": "firewall", "192.0.2.99": "none",
    }
    result = daemon.module("firewall_trace", addresses=list(expected))
    assert causes(result) == expected, result["blocks"]
    where = {block["address"]: block for block in result["blocks"]}
    assert where["192.0.2.10"]["jail"] == "sshd" and where["192.0.2.15"]["set"] == "f2b-set"
    assert where["192.0.2.30"]["where"] == "iptables-legacy" and where["192.0.2.17"]["set"] == "black"
    assert where["192.0.2.40"]["handle"] and where["192.0.2.40"]["conditions"] == ["protocol tcp", "port 8080"]
    assert where["2001:db8:bad::5"]["where"] == "ip6tables"
    service = daemon.module("firewall_trace", addresses=["192.0.2.40", "192.0.2.99"], port=443, protocol="tcp")
    assert causes(service) == {"192.0.2.40": "service", "192.0.2.99": "service"}
    assert finding(service, "listening")["status"] == "critical"
    daemon.client("unban", "--all")


def test_a_more_specific_route_leads_to_it() -> None:
    with namespace(peer=True) as net:
        net.run("ip", "route", "add", "blackhole", "192.0.2.0/24")
        net.run("ip", "route", "add", "192.0.2.7", "via", "198.18.0.2")
        assert causes(trace(net, "192.0.2.7", "192.0.2.8")) == {"192.0.2.7": "none", "192.0.2.8": "route"}
        net.run("nft", "add", "table", "inet", "closed")
        net.run("nft", "add", "chain", "inet", "closed", "in", "{ type filter hook input priority 0; policy drop; }")
        shut = trace(net, "192.0.2.7")
        assert causes(shut) == {"192.0.2.7": "firewall"} and shut["blocks"][0]["rule"] == "policy drop"


def test_what_the_rules_do_not_say_is_no_ok() -> None:
    with namespace(peer=True) as net:
        net.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "NFQUEUE")
        queued = trace(net, "198.18.0.2", port=22, protocol="tcp")
        assert finding(queued, "blocked")["status"] == "unknown" and "NFQUEUE" in finding(queued, "blocked")["hint"]
        assert finding(trace(net, "198.18.0.2", port=443, protocol="tcp"), "blocked")["status"] == "ok"


def test_a_default_deny_is_nothing_about_one_address() -> None:
    with namespace(peer=True) as net:
        net.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        net.run("iptables", "-P", "INPUT", "DROP")
        statuses = [
            finding(trace(net, "198.18.0.2", **asked), "blocked")["status"]
            for asked in ({}, {"port": 22, "protocol": "tcp"}, {"port": 443, "protocol": "tcp"})
        ]
        assert statuses == ["warning", "ok", "critical"]


def test_a_ban_of_another_port_than_that_of_the_service_is_told() -> None:
    with namespace(peer=True) as net:
        net.run("iptables", "-A", "INPUT", "-s", "198.18.0.2", "-p", "tcp", "--dport", "22", "-j", "DROP")
        server = net.start("python3", "-m", "http.server", "2222", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: ":2222" in net.run("ss", "-tln"), what="the server")
            moved, named = (net.module("access_health", kept_out=["198.18.0.2"], daemon=False, ports=ports) for ports in ([], [2222]))
        finally:
            server.kill()
            server.wait(timeout=10)
        assert finding(moved, "kept_out")["status"] == "warning" and "Nothing listens at 22" in finding(moved, "kept_out")["hint"]
        assert finding(named, "kept_out")["status"] == "critical"


def test_blindness_is_no_answer() -> None:
    with namespace() as net:
        assert start_as_nobody(net, "firewall_trace", addresses=["192.0.2.7"], bans=False)["error"] == "blind"
        bad = trace(net, "192.0.2.7", "192.0.2.300")
        assert bad["failed"] and bad["error"] == "bad_input"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    with path.open("w") as file:
        for number in range(30):
            file.write(f"2026-01-02T11:00:{number:02d}+00:00 host sshd[{number}]: Failed password for invalid user u{number % 3} from "
                       f"192.0.2.{number % 2 + 1} port {number} ssh2\n")
    return path


def logins(net: Namespace, log: Path, **args: Any) -> dict[str, Any]:
    return net.module("failed_logins", logs=[str(log)], **{"journal": False, "since": "100000d", **args})


def test_failed_logins_from_a_log(log: Path) -> None:
    with namespace() as net:
        result = logins(net, log, warning_count=10, critical_count=15)
        assert (result["status"], result["total"], result["addresses"]) == ("critical", 30, 2)
        assert [(one["address"], one["failed"], one["users"]) for one in result["worst"]] == [
            ("192.0.2.1", 15, ["u0", "u1", "u2"]), ("192.0.2.2", 15, ["u0", "u1", "u2"])]
        assert result["worst"][0]["first"] == "2026-01-02T11:00:00+00:00"
        assert logins(net, log, since="1h")["total"] == 0
        short = logins(net, log, max_kib=1)
        assert 0 < short["total"] < 30 and short["skipped_checks"], "what was not read is told"
        blind = net.module("failed_logins", logs=[str(log) + ".gone"], journal=False)
        assert blind["failed"] and blind["error"] == "blind"


def test_failed_logins_from_the_journal(log: Path, tmp_path: Path) -> None:
    """A double of journalctl, since no journal is written on a test's machine: the same output, and one that never ends."""
    (tmp_path / "bin").mkdir()
    double = tmp_path / "bin" / "journalctl"
    entry = ('{"MESSAGE":"Failed password for root from 192.0.2.9 port 5 ssh2","SYSLOG_IDENTIFIER":"sshd",'
             '"__REALTIME_TIMESTAMP":"1767355140000000"}')
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    with namespace() as net:
        for script, status in ((f"echo '{entry}'", "ok"), (f"while :; do echo '{entry}'; done", "critical")):
            double.write_text(f"#!/bin/sh\ncase \"$*\" in *'-n 1'*) echo '{entry}'; exit;; esac\n{script}\n")
            double.chmod(0o755)
            result = net.module("failed_logins", env=env, logs=[], since="100000d", max_kib=64)
            assert result["status"] == status and result["worst"][0]["address"] == "192.0.2.9", result
        double.write_text("#!/bin/sh\ncase \"$*\" in *'-n 1'*) echo '{}'; exit;; esac\nexec sleep 100\n")
        slow = net.module("failed_logins", env=env, logs=[str(log)], since="100000d", timeout="1s")
        assert slow["total"] == 30 and "within 1 s" in slow["skipped_checks"][0]["reason"]
        double.write_text("#!/bin/sh\nexit 0\n")
        empty = net.module("failed_logins", env=env, logs=[])
        assert empty["failed"] and empty["error"] == "blind", "an empty journal is no proof that nobody failed"
