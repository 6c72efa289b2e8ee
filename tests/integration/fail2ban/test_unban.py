# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban_unban against a real fail2ban with real rules in a private network namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.conformance.kit import recorded
from tests.support.fail2ban import Fail2ban, fail2ban
from tests.support.holds import Systemd
from tests.support.until import until


def unban(daemon: Fail2ban, *addresses: str, check: bool = False, env: Mapping[str, str] | None = None, **args: Any) -> dict[str, Any]:
    return daemon.module("fail2ban_unban", check=check, env=env, addresses=list(addresses), **{"observe": "0.3s", **args})


def states(result: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Address, outcome and state of every action."""
    return [(action["target"]["address"], action["outcome"], action["detail"].get("state")) for action in result["actions"]]


def filtered(daemon: Fail2ban, address: str) -> bool:
    """Whether the address stands in a rule or set, by the programs themselves."""
    said = daemon.net.run("nft", "list", "ruleset") + daemon.net.run("iptables-save") + daemon.net.run("ip6tables-save")
    return address in (said + daemon.net.run("ipset", "save")).replace(",", " ").replace("/32", " ").replace("/128", " ").split()


@pytest.mark.parametrize(("jail", "stored", "said"), [
    ("sshd", "192.0.2.7", "::ffff:192.0.2.7"), ("ipt", "192.0.2.7", "::FFFF:C000:0207"), ("recidive", "192.0.2.7", " 192.0.2.7/32"),
    ("sshd", "2001:db8::7", "2001:0DB8:0:0::0007"), ("ipt", "2001:db8::7", "[2001:DB8::7]"), ("recidive", "2001:db8::7", "2001:db8::7/128"),
    ("ipt", "198.51.100.0/24", "198.51.100.9/255.255.255.0"), ("set", "2001:db8::8", "2001:db8:0:0:0:0:0:8"),
])
def test_any_spelling_leaves_daemon_database_and_filter(daemon: Fail2ban, jail: str, stored: str, said: str) -> None:
    daemon.ban(jail, stored)
    assert filtered(daemon, stored)
    result = unban(daemon, said, jails=[jail])
    assert states(result) == [(stored, "done", "unbanned")], result.get("msg")
    assert result["changed"] and result["unbanned"] == [{"jail": jail, "address": stored}]
    assert not filtered(daemon, stored)
    assert stored not in daemon.banned(jail)
    (before,) = result["before"]
    assert before["permanent"] is (jail == "recidive") is before["recidive"] and before["matched_by"] == "exact" and result["after"] == []
    again = unban(daemon, said, jails=[jail])
    assert states(again) == [(stored, "not_needed", "not_banned")] and not again["changed"]


def test_every_jail_by_default_and_recidive_told_apart(daemon: Fail2ban) -> None:
    for jail in ("sshd", "ipt", "recidive", "set"):
        daemon.ban(jail, "192.0.2.11")
    result = unban(daemon, "192.0.2.11")
    assert sorted(one["jail"] for one in result["unbanned"]) == ["ipt", "recidive", "set", "sshd"]
    assert [one["jail"] for one in result["before"] if one["recidive"]] == ["recidive"]
    assert not filtered(daemon, "192.0.2.11")


def test_one_jail_alone_leaves_the_others(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.12")
    daemon.ban("ipt", "192.0.2.12")
    result = unban(daemon, "192.0.2.12", jails=["sshd"])
    assert states(result) == [("192.0.2.12", "done", "unbanned")], "the other jail's rule is its own"
    assert result["actions"][0]["detail"]["still_banned_in"] == ["ipt"]
    assert result["actions"][0]["detail"]["also_blocked_by"][0]["jail"] == "ipt"
    unban(daemon, "192.0.2.12")


def test_check_mode_touches_nothing(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.13")
    before = daemon.net.run("nft", "list", "ruleset"), daemon.database.read_bytes()
    plan = unban(daemon, "192.0.2.13", check=True)
    assert states(plan) == [("192.0.2.13", "planned", None)] and plan["changed"]
    assert (daemon.net.run("nft", "list", "ruleset"), daemon.database.read_bytes()) == before
    assert "192.0.2.13" in daemon.banned("sshd")
    nothing = unban(daemon, "192.0.2.13", approved=[])
    assert [action["outcome"] for action in nothing["actions"]] == ["refused"] and not nothing["changed"]
    done = unban(daemon, "192.0.2.13", approved=[action["id"] for action in plan["actions"]])
    assert states(done) == [("192.0.2.13", "done", "unbanned")]


def test_every_approved_ban_is_answered_also_one_that_is_gone_or_not_asked_for(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.15", "192.0.2.16", "192.0.2.17")
    plan, again = (unban(daemon, "192.0.2.15", "192.0.2.16", "192.0.2.17", check=True)["actions"] for _time in range(2))
    assert plan == again and len(plan) == 3
    daemon.client("set", "sshd", "unbanip", "192.0.2.15")
    result = unban(daemon, "192.0.2.15", "192.0.2.16", approved=plan, max_victims=1)
    said = {one["id"]: (one["outcome"], one["detail"].get("why"), one["touched"]) for one in result["actions"]}
    assert [said[one["id"]] for one in plan] == [
        ("not_needed", "gone_already", False), ("done", None, True), ("moved_on", "no_longer_matches", False)], result
    assert daemon.banned("sshd") == ["192.0.2.17"]
    ids = unban(daemon, "192.0.2.16", approved=[one["id"] for one in plan])
    assert [one["detail"]["why"] for one in ids["actions"] if one["id"] in said] == ["no_longer_matches"] * 3
    nowhere = unban(daemon, "192.0.2.17", jails=["nix"], approved=plan[2:])
    assert nowhere["error"] == "bad_input" and [one["detail"]["why"] for one in nowhere["actions"]] == ["not_tried"]
    unban(daemon, "192.0.2.17")


def test_limits_count_what_is_approved(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "198.51.100.21", "198.51.100.22")
    inside = {"members_of": ["198.51.100.16/28"], "observe": "0.3s"}
    plan = daemon.module("fail2ban_unban", check=True, **inside)["actions"]
    for limit in ({"max_entries": 1}, {"max_victims": 1}):
        over = daemon.module("fail2ban_unban", **inside, **limit)
        assert over["error"] == "limit_exceeded" and over["limit"] == next(iter(limit)) and over["count"] == 2
        assert [one["detail"]["why"] for one in over["actions"]] == ["limit_exceeded"] * 2 and len(daemon.banned("sshd")) == 2
    done = daemon.module("fail2ban_unban", approved=plan[:1], max_entries=1, max_victims=1, **inside)
    assert sorted(one["outcome"] for one in done["actions"]) == ["done", "refused"] and len(done["unbanned"]) == 1, done
    daemon.module("fail2ban_unban", **inside)


def test_two_runs_never_act_on_a_daemon_at_once(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.18")
    plan = unban(daemon, "192.0.2.18", check=True)["actions"]
    with acting_alone("bans", by=str(daemon.directory)):
        result = unban(daemon, "192.0.2.18", approved=plan)
        assert unban(daemon, "192.0.2.18", check=True)["changed"], "check mode needs no lock"
    assert result["error"] == "locked" and daemon.banned("sshd") == ["192.0.2.18"]
    assert [(one["id"], one["outcome"], one["detail"]["why"]) for one in result["actions"]] == [(plan[0]["id"], "refused", "locked")]
    unban(daemon, "192.0.2.18")


def test_after_the_time_is_over_nothing_is_lifted(daemon: Fail2ban, tmp_path: Path) -> None:
    """The packet filter's reading takes longer than the module may."""
    daemon.ban("sshd", "192.0.2.19")
    double = tmp_path / "nft"
    double.write_text(f'#!/bin/sh\ntest -e {tmp_path}/slept || {{ touch {tmp_path}/slept; sleep 3; }}\nexec {shutil.which("nft")} "$@"\n')
    double.chmod(0o755)
    plan = unban(daemon, "192.0.2.19", check=True)["actions"]
    result = unban(daemon, "192.0.2.19", approved=plan, timeout="2s", env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert (result["error"], result["reason"]) == ("cannot_reach", "timeout") and daemon.banned("sshd") == ["192.0.2.19"]
    assert [(one["id"], one["outcome"], one["detail"]["why"], one["touched"]) for one in result["actions"]] == [
        (plan[0]["id"], "failed", "not_tried", False)]
    unban(daemon, "192.0.2.19")


def test_evidence_of_why(daemon: Fail2ban) -> None:
    daemon.fail("sshd", "192.0.2.14", user="eve", times=3)
    until(lambda: "192.0.2.14" in daemon.banned("sshd"), what="a ban from the log")
    until(lambda: unban(daemon, "192.0.2.14", check=True)["before"][0]["lines"], what="the database's row")
    (before,) = unban(daemon, "192.0.2.14")["before"]
    assert before["failures"] >= 3 and before["count"] == 1 and before["seconds"] == 3600
    assert before["lines"] and all("eve" in line and "192.0.2.14" in line for line in before["lines"]) and len(before["lines"]) <= 5
    assert before["banned_at"] < before["ends_at"]


def test_a_rule_that_stays_fails(daemon: Fail2ban) -> None:
    daemon.ban("bad", "192.0.2.20")
    daemon.broken.touch()
    result = unban(daemon, "192.0.2.20")
    assert states(result) == [("192.0.2.20", "failed", "still_filtered")]
    assert result["failed"] and result["changed"], "the daemon has forgotten it, so the world is another"
    assert result["error"] == "actions_failed" and "addr-set-bad" in result["msg"]
    assert "192.0.2.20" not in daemon.banned("bad") and filtered(daemon, "192.0.2.20")
    again = unban(daemon, "192.0.2.20")
    assert again["failed"] and states(again) == [("192.0.2.20", "failed", "still_filtered")], "its own client would say 0 now"
    plan = unban(daemon, "192.0.2.20", check=True, repair=True)
    assert states(plan) == [("192.0.2.20", "planned", "still_filtered")] and filtered(daemon, "192.0.2.20")
    off = unban(daemon, "192.0.2.20", check=True)
    assert states(off) == [("192.0.2.20", "refused", "still_filtered")] and off["actions"][0]["detail"]["why"] == "option_off"
    refused = unban(daemon, "192.0.2.20", repair=True, approved=[])
    assert states(refused) == [("192.0.2.20", "refused", "still_filtered")] and filtered(daemon, "192.0.2.20")
    over = unban(daemon, "192.0.2.20", repair=True, approved=plan["actions"], max_victims=1, spent=1)
    assert over["error"] == "limit_exceeded" and filtered(daemon, "192.0.2.20")
    repaired = unban(daemon, "192.0.2.20", repair=True)
    assert states(repaired) == [("192.0.2.20", "done", "unbanned")] and repaired["changed"], repaired.get("msg")
    assert not filtered(daemon, "192.0.2.20")


def test_repair_in_the_same_call(daemon: Fail2ban) -> None:
    daemon.ban("bad", "192.0.2.21", "192.0.2.22")
    daemon.broken.touch()
    result = unban(daemon, "192.0.2.21", repair=True)
    assert states(result) == [("192.0.2.21", "done", "unbanned")], result.get("msg")
    assert "nft delete element" in result["actions"][0]["detail"]["repaired"][0]
    assert not filtered(daemon, "192.0.2.21") and filtered(daemon, "192.0.2.22"), "and nobody else's"
    daemon.broken.unlink()
    unban(daemon, "192.0.2.22")


def test_repair_bans_and_unbans_again_where_the_rule_is_not_known_by_name() -> None:
    """An action of the host's own, whose set is named as nobody would guess."""
    with fail2ban({"own": {"banaction": "oncall-broken[addr_set=guests, table=mine]"}}) as daemon:
        daemon.ban("own", "192.0.2.23")
        assert "guests" in daemon.net.run("nft", "list", "ruleset")
        daemon.broken.touch()
        result = unban(daemon, "192.0.2.23")
        assert states(result) == [("192.0.2.23", "failed", "still_filtered")]
        stays = unban(daemon, "192.0.2.23", repair=True)
        assert states(stays) == [("192.0.2.23", "not_needed", "not_banned")], "not fail2ban's by its name: told, and left alone"
        assert stays["actions"][0]["detail"]["also_blocked_by"][0]["set"] == "guests"
        daemon.broken.unlink()
        daemon.ban("own", "192.0.2.23")
        # The action fails for the first unban and for the server's own second try, and works for the unban of the repair.
        tries = daemon.directory / "tries"
        daemon.client("set", "own", "action", "oncall-broken", "actionunban",
                      f"echo x >> {tries}; test $(wc -l < {tries}) -gt 2 || exit 1; nft delete element inet mine guests {{ <ip> }}")
        repaired = unban(daemon, "192.0.2.23", repair=True)
        assert states(repaired) == [("192.0.2.23", "done", "unbanned")], repaired.get("msg")
        assert repaired["actions"][0]["detail"]["repaired"] == ["ban and unban again in own: done"]
        assert not filtered(daemon, "192.0.2.23")


def test_banned_again_while_its_log_says_so(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.24")
    running = daemon.net.start_module(
        "fail2ban_unban", addresses=["192.0.2.24"], observe="20s", socket=str(daemon.socket), client_command=daemon.client_command)
    until(lambda: "192.0.2.24" not in daemon.banned("sshd"), what="the unban")
    daemon.fail("sshd", "192.0.2.24")
    result = running.result(timeout=90)
    assert states(result) == [("192.0.2.24", "failed", "banned_again")] and result["failed"]
    assert result["changed"] and "hold" in result["hint"]
    assert [(one["jail"], one["address"]) for one in result["after"]] == [("sshd", "192.0.2.24")] and result["unbanned"] == []
    assert daemon.banned("sshd") == ["192.0.2.24"] and filtered(daemon, "192.0.2.24"), "and that is so: the new ban was left alone"
    unban(daemon, "192.0.2.24")


def test_banned_again_is_left_alone_by_repair(daemon: Fail2ban) -> None:
    """The row of the new ban is in the database, its element in the set: neither is a leftover of the old one."""
    daemon.ban("sshd", "192.0.2.25")
    running = daemon.net.start_module(
        "fail2ban_unban", addresses=["192.0.2.25"], observe="20s", repair=True, socket=str(daemon.socket),
        client_command=daemon.client_command)
    until(lambda: "192.0.2.25" not in daemon.banned("sshd"), what="the unban")
    daemon.fail("sshd", "192.0.2.25")
    result = running.result(timeout=90)
    assert states(result) == [("192.0.2.25", "failed", "banned_again")] and "repaired" not in result["actions"][0]["detail"]
    assert daemon.banned("sshd") == ["192.0.2.25"] == [one["address"] for one in result["after"]] and filtered(daemon, "192.0.2.25")
    unban(daemon, "192.0.2.25")


def test_covering_networks(daemon: Fail2ban) -> None:
    daemon.ban("ipt", "203.0.113.0/24")
    reported = unban(daemon, "203.0.113.9")
    assert states(reported) == [("203.0.113.9", "refused", "covered_by")] and not reported["changed"]
    assert reported["actions"][0]["detail"]["by"] == "203.0.113.0/24"
    refused = unban(daemon, "203.0.113.9", covering="fail")
    assert refused["failed"] and "203.0.113.0/24" in daemon.banned("ipt")
    removed = unban(daemon, "203.0.113.9", covering="remove")
    assert states(removed) == [("203.0.113.0/24", "done", "unbanned")]
    assert not filtered(daemon, "203.0.113.0/24")


def test_members_of_a_network(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "198.51.100.1", "198.51.100.2", "198.51.100.200")
    over = daemon.module("fail2ban_unban", members_of=["198.51.100.0/24"], max_entries=2)
    assert over["failed"] and over["error"] == "limit_exceeded" and len(daemon.banned("sshd")) >= 3
    result = daemon.module("fail2ban_unban", members_of=["198.51.100.0/25"], max_entries=2, observe="0.3s")
    assert sorted(one["address"] for one in result["unbanned"]) == ["198.51.100.1", "198.51.100.2"]
    assert filtered(daemon, "198.51.100.200")
    unban(daemon, "198.51.100.200")


@pytest.mark.parametrize("bad", ["999.1.1.1", "14.160.0.0 /11", "www.example.org", "--all"])
def test_a_typing_error_stops_before_anything_is_sent(daemon: Fail2ban, bad: str) -> None:
    daemon.ban("sshd", "192.0.2.30")
    log = (daemon.directory / "fail2ban.log").read_text()
    result = unban(daemon, "192.0.2.30", bad)
    assert result["failed"] and result["error"] == "bad_input" and bad in result["msg"]
    assert "192.0.2.30" in daemon.banned("sshd") and (daemon.directory / "fail2ban.log").read_text() == log
    unban(daemon, "192.0.2.30")


def test_names_with_resolve(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "127.0.0.1")
    result = unban(daemon, "localhost", resolve=True)
    assert "127.0.0.1" in [one["address"] for one in result["unbanned"]]


def test_an_unknown_jail_lists_the_jails(daemon: Fail2ban) -> None:
    result = unban(daemon, "192.0.2.31", jails=["nix"])
    assert result["failed"] and result["jails"] == ["bad", "ipt", "recidive", "set", "sshd"]


def test_everything_only_by_its_number() -> None:
    with fail2ban({"sshd": {}, "ipt": {"banaction": "iptables-multiport"}}) as daemon:
        daemon.ban("sshd", "192.0.2.1", "192.0.2.2", "2001:db8::2")
        daemon.ban("ipt", "192.0.2.1")
        nothing = daemon.module("fail2ban_unban")
        assert nothing["failed"] and nothing["error"] == "bad_input"
        wrong = daemon.module("fail2ban_unban", confirm_all=3)
        assert wrong["failed"] and wrong["count"] == 4 and len(daemon.banned("sshd")) == 3
        result = daemon.module("fail2ban_unban", confirm_all=4, observe="0.3s")
        assert len(result["unbanned"]) == 4 and not daemon.banned("sshd") + daemon.banned("ipt")
        limited = daemon.module("fail2ban_unban", addresses=["192.0.2.1"], max_victims=0)
        assert not limited.get("failed"), "nothing is banned, so nothing is over the limit"
        daemon.ban("sshd", "192.0.2.1")
        limited = daemon.module("fail2ban_unban", addresses=["192.0.2.1"], max_victims=5, spent=5)
        assert limited["failed"] and limited["error"] == "limit_exceeded"


def test_hold_is_refused_where_no_timer_can_be_made(daemon: Fail2ban, tmp_path: Path) -> None:
    daemon.ban("sshd", "192.0.2.40")
    said = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True, check=False).stdout.strip()
    # Else the machine's own answer.
    env = Systemd(tmp_path, state="offline").environ if said in ("running", "degraded", "starting") else None
    for check in (False, True):
        result = unban(daemon, "192.0.2.40", hold="15m", check=check, env=env)
        assert result["failed"] and result["error"] == "hold_refused" and "192.0.2.40" in daemon.banned("sshd")
        assert "192.0.2.40" not in daemon.client("get", "sshd", "ignoreip")
    unban(daemon, "192.0.2.40")


def test_hold_keeps_the_log_from_banning_again_and_its_timer_ends_it(daemon: Fail2ban, tmp_path: Path) -> None:
    daemon.ban("sshd", "192.0.2.41")
    double = Systemd(tmp_path)
    result = unban(daemon, "192.0.2.41", hold="15m", env=double.environ, observe="5s")
    assert states(result) == [("192.0.2.41", "done", "unbanned")], result.get("msg")
    assert result["hold"]["entries"] == [{"jail": "sshd", "address": "192.0.2.41"}] and result["hold"]["seconds"] == 900
    assert "reload" in result["hold"]["warning"].lower() and result["hold"]["unit"]
    (action,) = result["actions"]
    assert action["identity"]["hold"] == "900s"
    assert set(of_event(recorded(result)).actions or ()) == {action["id"]}, "the decision is made again from the record"
    assert {key: action["temporary"][key] for key in ("ends", "armed_as", "lasts")} == {
        "ends": "unit", "armed_as": result["hold"]["unit"], "lasts": 900.0}
    assert action["temporary"]["undo"] == {"verb": "end_hold", "jail": "sshd", "address": "192.0.2.41"}
    assert "192.0.2.41" in daemon.client("get", "sshd", "ignoreip")
    daemon.fail("sshd", "192.0.2.41")
    until(lambda: "Ignore 192.0.2.41" in (daemon.directory / "fail2ban.log").read_text(), what="the ignored failures")
    assert "192.0.2.41" not in daemon.banned("sshd")
    assert "--on-active=900s" in double.argv() and f"--unit={result['hold']['unit']}" in double.argv()
    daemon.net.run(*double.command())
    assert "192.0.2.41" not in daemon.client("get", "sshd", "ignoreip"), "the timer's command takes the entry out"


def test_a_second_hold_takes_over_from_the_first(daemon: Fail2ban, tmp_path: Path) -> None:
    """The first one's timer would take the entry out before the second one's time is over."""
    double = Systemd(tmp_path)
    env = double.environ
    daemon.ban("sshd", "192.0.2.46", "192.0.2.47")
    first = unban(daemon, "192.0.2.46", "192.0.2.47", hold="15m", env=env)["hold"]
    double.show()
    daemon.ban("sshd", "192.0.2.46")
    alone = unban(daemon, "192.0.2.46", hold="1h", env=env)["hold"]
    assert alone["entries"] == [] and alone["already_ignored"] == [
        {"jail": "sshd", "address": "192.0.2.46", "ends_with": first["unit"]}], "its timer holds another too: it is left, and named"
    daemon.ban("sshd", "192.0.2.46", "192.0.2.47")
    both = unban(daemon, "192.0.2.46", "192.0.2.47", hold="1h", env=env)["hold"]
    assert len(both["entries"]) == 2 and both["replaced"] == [first["unit"]] and both["unit"] != first["unit"]
    assert double.calls() == f"timer\ntimer\nstop {first['unit']}.timer\n", "the new timer comes first"
    daemon.net.run(*double.command())
    assert "192.0.2.46" not in daemon.client("get", "sshd", "ignoreip")


def test_hold_without_an_active_timer_makes_no_entry(daemon: Fail2ban, tmp_path: Path) -> None:
    daemon.ban("sshd", "192.0.2.42")
    double = Systemd(tmp_path, active=False)
    result = unban(daemon, "192.0.2.42", hold="15m", env=double.environ)
    assert result["failed"] and result["error"] == "actions_failed" and "is not active after it was made" in result["msg"]
    (action,) = result["actions"]
    assert (action["outcome"], action["detail"]["why"], action["touched"]) == ("failed", "not_tried", False) and not result["changed"]
    assert double.calls() == "timer\n", "the timer was tried first"
    assert "192.0.2.42" not in daemon.client("get", "sshd", "ignoreip") and "192.0.2.42" in daemon.banned("sshd")
    unban(daemon, "192.0.2.42")


def test_a_set_that_cannot_be_read_is_no_proof(daemon: Fail2ban, tmp_path: Path) -> None:
    """The jail's rule asks an ipset, and ipset says no: whether the set still holds the address is not known."""
    (tmp_path / "bin").mkdir()
    double = tmp_path / "bin" / "ipset"
    double.write_text("#!/bin/sh\necho 'ipset v7.17: Kernel error received: Operation not permitted' >&2; exit 1\n")
    double.chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    daemon.ban("set", "192.0.2.44")
    seen = daemon.module("access_health", let_in=["192.0.2.44"], daemon=False)
    assert seen["findings"][0]["status"] == "critical"
    blind = daemon.module("access_health", let_in=["192.0.2.44", "2001:db8::44"], kept_out=["192.0.2.44"], daemon=False, env=env)
    assert {one["subject"]: one["status"] for one in blind["findings"]}["192.0.2.44"] == "unknown" == blind["status"], blind
    assert "f2b-set" in blind["findings"][0]["observed"] and [one["check"] for one in blind["skipped_checks"]].count("ipset") == 1
    result = unban(daemon, "192.0.2.44", env=env)
    assert states(result) == [("192.0.2.44", "unknown", "not_measured")] and result["failed"], result
    assert not filtered(daemon, "192.0.2.44")
    assert not unban(daemon, "192.0.2.44").get("failed")


def test_what_cannot_be_read_lets_nobody_in(daemon: Fail2ban, tmp_path: Path) -> None:
    """iptables is there and denied, nft is readable: that nothing was seen is no proof, of IPv4 alone."""
    (tmp_path / "bin").mkdir()
    for program in ("iptables-save", "iptables-nft-save", "iptables-legacy-save"):
        double = tmp_path / "bin" / program
        double.write_text("#!/bin/sh\necho 'Permission denied (you must be root)' >&2; exit 4\n")
        double.chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    found = daemon.module("access_health", let_in=["192.0.2.45", "2001:db8::45"], daemon=False, env=env)
    assert {one["subject"]: one["status"] for one in found["findings"]} == {"192.0.2.45": "unknown", "2001:db8::45": "ok"}, found
    assert "Permission denied" in found["findings"][0]["observed"]
    assert "iptables" in [one["check"] for one in found["skipped_checks"]]
    there = daemon.module("access_health", let_in=["192.0.2.45"], daemon=False)
    assert there["status"] == "ok" and "iptables" not in [one["check"] for one in there["skipped_checks"]]


def test_what_was_ignored_before_is_not_ours_to_end(daemon: Fail2ban, tmp_path: Path) -> None:
    daemon.ban("sshd", "192.0.2.43")
    daemon.client("set", "sshd", "addignoreip", "192.0.2.43")
    double = Systemd(tmp_path)
    result = unban(daemon, "192.0.2.43", hold="15m", env=double.environ)
    assert result["hold"]["entries"] == [] and result["hold"]["already_ignored"] and double.calls() == ""
    assert "temporary" not in result["actions"][0]


def test_many_addresses_over_one_connection(daemon: Fail2ban) -> None:
    addresses = [f"203.0.113.{number}" for number in range(1, 121)]
    daemon.ban("sshd", *addresses)
    result = unban(daemon, *addresses, timeout=120)
    assert len(result["unbanned"]) == 120 and result["changed"] and not result.get("failed")
    assert not any(filtered(daemon, address) for address in addresses[:3])


def test_a_hanging_daemon_is_given_up(daemon: Fail2ban) -> None:
    """Its action sleeps for longer than the module may wait: what is not answered is unknown, and fails."""
    with fail2ban({"slow": {"banaction": "nftables-multiport"}}) as slow:
        slow.ban("slow", "192.0.2.50")
        slow.client("set", "slow", "action", "nftables-multiport", "actionunban", "sleep 25")
        start = time.monotonic()
        result = slow.module("fail2ban_unban", addresses=["192.0.2.50"], timeout="2s", observe="0.3s", verify=["nftables"])
        assert time.monotonic() - start < 70
        assert result["failed"] and result["actions"][0]["outcome"] in ("unknown", "failed")


def test_no_daemon_is_said_and_so_is_no_filter(daemon: Fail2ban) -> None:
    result = daemon.net.module("fail2ban_unban", addresses=["192.0.2.1"], socket="/nonexistent/socket", backend="fail2ban")
    assert result["failed"] and result["error"] == "cannot_reach" and result["reason"] == "no_socket"
    named = unban(daemon, "192.0.2.1", verify=["firewalld"])
    assert named["failed"] and named["error"] == "blind"


def test_the_client_is_the_way_where_the_socket_is_none(daemon: Fail2ban, tmp_path: Path) -> None:
    """A command that reaches it in its own way, as into a container."""
    wrapped = tmp_path / "reach"
    wrapped.write_text(f'#!/bin/sh\nshift 2\nexec fail2ban-client -s {daemon.socket} "$@"\n')
    wrapped.chmod(0o755)
    daemon.ban("sshd", "192.0.2.60")
    result = daemon.net.module(
        "fail2ban_unban", addresses=["192.0.2.60"], observe="0.3s", backend="fail2ban", socket="/nonexistent/socket",
        client_command=["sh", str(wrapped)])
    assert states(result) == [("192.0.2.60", "done", "unbanned")], result.get("msg")
    assert result["backend"]["via"] == "client"


def undo(
    daemon: Fail2ban, change: dict[str, Any], *, check: bool = False, env: Mapping[str, str] | None = None, **args: Any,
) -> dict[str, Any]:
    return daemon.module("fail2ban_unban", check=check, env=env, change=change, observe="0.3s", **args)


def ended(result: dict[str, Any]) -> list[tuple[str, bool]]:
    """The outcome of each action, and whether the change is measured to be gone."""
    return [(action["outcome"], action["detail"]["ended"]) for action in result["actions"]]


def test_a_hold_is_ended_before_its_timer_which_is_stopped_with_the_last_entry(daemon: Fail2ban, tmp_path: Path) -> None:
    double = Systemd(tmp_path)
    env = double.environ
    daemon.ban("sshd", "192.0.2.51", "192.0.2.52")
    held = unban(daemon, "192.0.2.51", "192.0.2.52", hold="15m", env=env)
    double.show()
    first, second = held["actions"]
    planned = undo(daemon, first, check=True, env=env)
    assert ended(planned) == [("planned", False)] and held["hold"]["unit"] in planned["actions"][0]["reason"]
    assert "192.0.2.51" in daemon.client("get", "sshd", "ignoreip")
    assert ended(undo(daemon, first, env=env, approved=[one["id"] for one in planned["actions"]])) == [("done", True)]
    ignored = daemon.client("get", "sshd", "ignoreip")
    assert "192.0.2.51" not in ignored and "192.0.2.52" in ignored
    assert "stop" not in double.calls(), "its timer still has another to take out"
    assert ended(undo(daemon, second, env=env)) == [("done", True)]
    assert double.calls().endswith(f"stop {held['hold']['unit']}.timer\n")
    again = undo(daemon, second, env=env)
    assert ended(again) == [("not_needed", True)] and not again["changed"]


def test_a_ban_for_a_while_is_lifted_only_while_it_is_the_one_that_was_made(daemon: Fail2ban) -> None:
    banned = daemon.module("fail2ban_ban", addresses=["192.0.2.53"], jail="sshd", never_ban=["192.0.2.250"])
    (change,) = banned["actions"]
    assert ended(undo(daemon, change, check=True)) == [("planned", False)] and "192.0.2.53" in daemon.banned("sshd")
    made = time.time()
    daemon.client("set", "sshd", "unbanip", "192.0.2.53")
    assert ended(undo(daemon, change)) == [("not_needed", True)]
    until(lambda: time.time() > made + 3, what="another second for the next ban")
    daemon.ban("sshd", "192.0.2.53")
    left = undo(daemon, change)
    assert ended(left) == [("moved_on", True)] and "192.0.2.53" in daemon.banned("sshd")
    daemon.client("set", "sshd", "unbanip", "192.0.2.53")
    (change,) = daemon.module("fail2ban_ban", addresses=["192.0.2.54"], jail="sshd", never_ban=["192.0.2.250"])["actions"]
    assert ended(undo(daemon, change)) == [("done", True)] and "192.0.2.54" not in daemon.banned("sshd")


def test_what_is_no_change_for_a_while_is_refused(daemon: Fail2ban) -> None:
    daemon.ban("sshd", "192.0.2.55")
    (lifted,) = unban(daemon, "192.0.2.55")["actions"]
    result = undo(daemon, lifted)
    assert result["failed"] and "neither a hold nor a ban" in result["msg"]
    result = undo(daemon, lifted, addresses=["192.0.2.55"])
    assert result["failed"] and "change does not go with addresses" in result["msg"]
