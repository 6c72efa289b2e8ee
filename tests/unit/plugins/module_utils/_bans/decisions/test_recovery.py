# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.recovery import not_kept_out, not_let_in, verify_asks
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.measured import OFFER

A, B = "192.0.2.7", "198.51.100.9"


def finding(check: str, status: str, *, subject: str = A, observed: Any = None, hint: str = "") -> dict[str, Any]:
    """A finding as in results."""
    return {"check": check, "status": status, "subject": subject, "observed": observed, "hint": hint}


def access(held: bool, *findings: dict[str, Any]) -> dict[str, Any]:
    """A result of access_health with wait_for."""
    return {"held": held, "findings": list(findings)}


BANNED = finding("let_in", "critical", observed="banned by sshd as 192.0.2.7", hint="Lift the ban.")
LET_IN = finding("let_in", "ok")
SILENT = {"held": False, "findings": [
    finding("port", "critical", subject="tcp 22", observed="refused", hint="Start it."),
    finding("port", "warning", subject="tcp 80", observed="slow"), finding("port", "ok", subject="tcp 81"),
]}


@pytest.mark.parametrize(("seen", "served", "reached", "text"), [
    (access(True, LET_IN, finding("daemon", "ok", subject="")), {"held": True}, {"held": True}, ""),
    (access(True, LET_IN), {}, {"skipped": True}, ""),
    (access(False, BANNED, LET_IN), {}, {}, "let_in 192.0.2.7: banned by sshd as 192.0.2.7. Lift the ban."),
    (access(False, BANNED, finding("let_in", "unknown", subject=B, observed="not seen", hint="Use become.")), {}, {},
     "let_in 192.0.2.7: banned by sshd as 192.0.2.7. Lift the ban. let_in 198.51.100.9: not seen. Use become."),
    (access(False, finding("let_in", "unknown", subject=B, observed="not seen", hint=OFFER)), {}, {},
     f"let_in 198.51.100.9: not seen. {OFFER} In this role that is fail2ban_trace_for, such as 30s."),
    (access(False, LET_IN), {}, {}, "the expected state was not reached."),
    ({"findings": [LET_IN]}, {}, {}, "the expected state was not reached."),
    (access(True, LET_IN), SILENT, {}, "On its own host tcp 22: refused. Start it. tcp 80: slow."),
    (access(True, LET_IN), {"held": False}, SILENT,
     "On its own host the service did not keep answering. From edge1 tcp 22: refused. Start it. tcp 80: slow."),
    # Nobody was asked about: that is no proof.
    (access(True, finding("daemon", "ok", subject="")), {}, {}, "No address was judged."),
])
def test_why_they_are_not_let_in(seen: dict[str, Any], served: dict[str, Any], reached: dict[str, Any], text: str) -> None:
    assert not_let_in(seen, served=served, reached=reached, vantage="edge1") == (f"Not recovered: {text}" if text else "")


def spared(address: str, *reasons: str) -> dict[str, Any]:
    """Somebody whom fail2ban_ban left alone."""
    return {"target": {"address": address}, "reasons": list(reasons), "would_match": True}


WARNED = finding("bans", "warning", subject="", observed=9, hint="Many.")
WELL = {"status": "warning", "findings": [WARNED]}
HELD = access(True, finding("kept_out", "ok"))
DONE = [{"verb": "ban", "outcome": "done", "target": {"address": A}}]
GUESSED_INSIDE = {"worst": [{"address": "10.1.2.3", "failed": 30}]}
SIX = [f"203.0.113.{number}" for number in range(1, 7)]


@pytest.mark.parametrize(("given", "text"), [
    ({"actions": DONE, "named": A}, ""),
    ({}, ""),
    ({"access": access(False, finding("kept_out", "critical", observed="no rule drops it", hint="See the jail."))},
     "kept_out 192.0.2.7: no rule drops it. See the jail."),
    ({"daemon": {"status": "critical", "findings": [WARNED, finding("jails", "critical", subject="sshd", observed=0, hint="Load it.")]}},
     "jails sshd: 0. Load it."),
    ({"daemon": {"status": "unknown", "findings": []}}, "The daemon could not be judged."),
    # Those over the limit go on attacking; the operator who was spared does not.
    ({"actions": DONE, "banned": {"protected": [spared(B, "over_limit"), spared("192.0.2.1", "operator")]}},
     "1 attackers remain over the limit of fail2ban_max_victims and are not banned: 198.51.100.9. Run it again, or raise the limit."),
    ({"actions": DONE, "banned": {"actions": [
        {"target": {"address": B}, "outcome": "refused", "detail": {"why": "limit_exceeded"}},
        {"target": {"address": A}, "outcome": "refused", "detail": {"why": "not_approved"}}]}},
     "1 attackers remain over the limit of fail2ban_max_victims and are not banned: 198.51.100.9. Run it again, or raise the limit."),
    ({"actions": DONE, "banned": {"protected": [spared(one, "over_limit") for one in [*SIX, SIX[0]]]}},
     (f"6 attackers remain over the limit of fail2ban_max_victims and are not banned: {', '.join(SIX[:5])} and more. "
      "Run it again, or raise the limit.")),
    # Who came after the approval, and who could not be banned, goes on attacking too.
    ({"actions": DONE, "banned": {"actions": [
        {"target": {"address": B}, "outcome": "refused", "detail": {"why": "not_approved"}},
        {"target": {"address": SIX[0]}, "outcome": "failed", "detail": {}},
        {"target": {"address": SIX[1]}, "outcome": "not_permitted", "detail": {"why": "not_permitted"}},
        {"target": {"address": SIX[2]}, "outcome": "refused", "detail": {"why": "protected"}},
        {"target": {"address": SIX[3]}, "outcome": "not_needed", "detail": {"why": "already_so"}},
        {"target": {"address": SIX[4]}, "outcome": "moved_on", "detail": {"why": "no_longer_matches"}}]}},
     (f"3 attackers are not banned: {B} (not_approved), {SIX[0]} (failed), {SIX[1]} (not_permitted). Run it again.")),
    ({"actions": DONE, "banned": {"actions": [
        {"target": {"address": B}, "outcome": "failed",
         "detail": {"state": "let_in", "why": "not_measured", "error": "INPUT rule 1 lets it in."}}]}},
     f"Banned, and not kept out: {B}. INPUT rule 1 lets it in."),
    # Somebody attacked and nobody is kept out.
    ({"logins": {"worst": [{"address": A, "failed": 30}]}}, "1 attackers were found and none is kept out."),
    ({"logins": {"worst": [{"address": A, "failed": 30}]}, "banned": {"protected": [spared(A, "operator")]}}, ""),
    ({"logins": GUESSED_INSIDE, "banned": {"protected": [spared("10.1.2.3", "private")]}},
     "1 attackers were found and none is kept out."),
    ({"logins": GUESSED_INSIDE, "banned": {"protected": [spared("10.1.2.3", "private", "never_ban")]}}, ""),
    ({"logins": {"worst": [{"address": A, "failed": 3}]}}, ""),
])
def test_why_they_are_not_kept_out(given: dict[str, Any], text: str) -> None:
    about = {"daemon": WELL, "banned": {}, "logins": {}, "named": [], "actions": [], **given}
    assert not_kept_out(about.pop("access", HELD), min_failures=20, **about) == (f"Not recovered: {text}" if text else "")


def guessed(address: str, guesses: int, *, attacker: bool = True) -> dict[str, Any]:
    """An entry of `worst` of failed_logins."""
    return {"address": address, "failed": guesses, "guesses": guesses, "accepted": 0 if attacker else 9, "attacker": attacker}


def logins(*worst: dict[str, Any], more: int = 0, findings: Any = (), **accepted: int) -> dict[str, Any]:
    """A result of failed_logins, with guesses of addresses that it does not list."""
    networks: dict[str, dict[str, Any]] = {}
    for one in worst:
        where = f"{one['address'].rpartition('.')[0]}.0/24"
        net = networks.setdefault(where, {"network": where, "guesses": 0, "addresses": 0, "accepted": accepted.get("accepted", 0)})
        net["guesses"] += one["guesses"]
        net["addresses"] += 1
    total = sum(one["guesses"] for one in worst) + more
    return {"worst": list(worst), "networks": list(networks.values()), "guesses": total, "findings": list(findings)}


SPREAD = [guessed(f"198.51.{number}.7", 8) for number in range(20)]
NEAR = [guessed(f"203.0.113.{number}", 8) for number in range(3)]
GOT_IN = finding("login_after_failures", "critical", subject=B, observed=1600, hint="root got in by password.")
UNSEEN = {**finding("failed_logins", "unknown", subject="", hint="Raise max_kib."), "detail": {"reason": "only its end was read"}}


@pytest.mark.parametrize(("given", "text"), [
    ({"logins": logins(guessed(A, 30), more=3), "actions": DONE}, ""),
    # Nobody is over the number that makes an attacker, and all together they are an attack.
    ({"logins": logins(*SPREAD)}, "160 failed logins of addresses that nobody keeps out remain"),
    ({"logins": logins(more=160)}, "160 failed logins of addresses that nobody keeps out remain"),
    ({"logins": logins(*SPREAD[:12])}, ""),
    ({"logins": logins(guessed(A, 160), *SPREAD[:12]), "actions": DONE}, ""),
    ({"logins": logins(*SPREAD), "banned": {"protected": [spared(one["address"], "operator") for one in SPREAD]}}, ""),
    ({"logins": logins(*NEAR)}, "The addresses of 203.0.113.0/24 try passwords together"),
    ({"logins": logins(*NEAR, accepted=99)}, ""),
    ({"logins": logins(*NEAR), "actions": [{"verb": "ban", "outcome": "done", "target": {"address": "203.0.113.0/24"}}]}, ""),
    ({"logins": logins(guessed(A, 500, attacker=False))}, f"Passwords are tried from where others log in, which is not banned: {A}."),
    ({"logins": logins(guessed(A, 500, attacker=False)), "banned": {"protected": [spared(A, "never_ban")]}}, ""),
    ({"logins": logins(guessed(A, 500, attacker=False)), "banned": {"operators": ["192.0.2.0/24"]}}, ""),
    ({"logins": logins(guessed(A, 500, attacker=False)), "access": access(True, finding("not_banned", "ok"))}, ""),
    # It gets in more often than that: it works there.
    ({"logins": logins({**guessed(A, 500, attacker=False), "accepted": 501})}, ""),
    # Somebody got in, whoever is kept out since.
    ({"logins": logins(guessed(A, 30), findings=[GOT_IN]), "actions": DONE},
     "Somebody may have got in: login_after_failures 198.51.100.9: 1600. root got in by password."),
    ({"logins": logins(findings=[UNSEEN])}, "Who tries passwords is not known to the end: failed_logins: only its end was read."),
])
def test_an_attack_that_is_in_the_logs_is_not_over_while_it_is_not_kept_out(given: dict[str, Any], text: str) -> None:
    about = {"daemon": WELL, "banned": {}, "named": [], "actions": [], **given}
    said = not_kept_out(about.pop("access", HELD), min_failures=20, min_total=100, **about)
    assert said.startswith(f"Not recovered: {text}" if text else "") and bool(said) is bool(text), said


@pytest.mark.parametrize(("backend", "ports", "asked"), [
    ("auto", [22], ["daemon", "let_in", "port", "accept_queue"]), ("crowdsec", [], ["daemon", "let_in"]), ("none", [], ["let_in"]),
])
def test_what_verify_asks(backend: str, ports: list[int], asked: list[str]) -> None:
    assert verify_asks(backend, ports=ports) == asked
