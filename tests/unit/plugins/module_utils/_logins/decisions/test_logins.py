# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed logins, counted once, whoever chose the user's name."""

from __future__ import annotations

import calendar
import json
import time
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.counting import (
    Lines,
    Picture,
    Tally,
    counted,
    picture,
)
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.lines import Event, of_journal, of_log, read_message
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import judge_logins
from hypothesis import given
from hypothesis import strategies as st

from tests.support.decided import again

NOW = float(calendar.timegm((2026, 1, 2, 12, 0, 0)))


def seen_in(*sources: list[Event], since: float = 0) -> Picture:
    return picture([counted(events, since=since) for events in sources])


def count(sources: list[list[Event]], *, since: float) -> dict[str, Tally]:
    return {one.address: one for one in seen_in(*sources, since=since).tallies}


@pytest.mark.parametrize(("message", "kind", "address", "user"), [
    ("Failed password for root from 192.0.2.7 port 50000 ssh2", "failed", "192.0.2.7", "root"),
    ("Failed password for invalid user admin from 2001:DB8::7 port 1 ssh2", "failed", "2001:db8::7", "admin"),
    ("Failed password for invalid user  from 192.0.2.7 port 1 ssh2", "failed", "192.0.2.7", ""),
    ("Failed publickey for jo from 192.0.2.7 port 1 ssh2: ED25519 SHA256:abc", "failed", "192.0.2.7", "jo"),
    ("Invalid user admin from 192.0.2.7 port 50000", "given_up", "192.0.2.7", "admin"),
    ("Connection closed by authenticating user root 192.0.2.7 port 5 [preauth]", "given_up", "192.0.2.7", "root"),
    ("Connection reset by invalid user x y 192.0.2.7 port 5 [preauth]", "given_up", "192.0.2.7", "x y"),
    ("error: maximum authentication attempts exceeded for root from 192.0.2.7 port 5 ssh2 [preauth]", "given_up", "192.0.2.7", "root"),
    ("Accepted publickey for jo from 192.0.2.7 port 1 ssh2: RSA SHA256:abc/+", "accepted", "192.0.2.7", "jo"),
])
def test_what_sshd_says(message: str, kind: str, address: str, user: str) -> None:
    event = read_message(message, program="sshd", at=1.0)
    assert event is not None
    assert (event.kind, event.address, event.user) == (kind, address, user)


@pytest.mark.parametrize("user", [
    "x from 198.51.100.1 port 1 ssh2", "x from 198.51.100.1 port 1 ssh2: RSA SHA256:a", "from 198.51.100.1 port 1",
    "a for b from 198.51.100.1",
    "x from 198.51.100.1 port 1 ssh2 [preauth]",
])
def test_a_name_of_the_clients_choosing_blames_nobody_else(user: str) -> None:
    for text in (f"Failed password for invalid user {user} from 192.0.2.7 port 5 ssh2", f"Invalid user {user} from 192.0.2.7 port 5",
                 f"Connection closed by invalid user {user} 192.0.2.7 port 5 [preauth]"):
        event = read_message(text, program="sshd", at=1.0)
        assert event is not None and event.address in ("", "192.0.2.7")


def test_others() -> None:
    pam = "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x rhost=192.0.2.7  user=jo"
    dovecot = "imap-login: Disconnected (auth failed, 3 attempts in 14 secs): user=<jo>, method=PLAIN, rip=192.0.2.8, lip=192.0.2.1"
    for message, program, who in ((pam, "vsftpd", ("192.0.2.7", "jo")), (dovecot, "dovecot", ("192.0.2.8", "jo"))):
        event = read_message(message, program=program, at=None)
        assert event is not None and (event.address, event.user) == who
    beside = read_message(pam, program="sshd", at=None)
    assert beside is not None and beside.kind == "pam", "sshd says it itself as well"
    nameless = read_message("Failed password for x from somewhere port 1 ssh2", program="sshd", at=None)
    assert nameless is not None and (nameless.kind, nameless.address) == ("other", "")
    assert read_message("Failed password for x from 192.0.2.7 port 1 ssh2", program="imitator", at=None) is None


def test_one_attempt_has_many_lines() -> None:
    lines = [
        "Jan  2 11:59:01 host sshd[7]: Invalid user admin from 192.0.2.7 port 5",
        "Jan  2 11:59:02 host sshd[7]: Failed password for invalid user admin from 192.0.2.7 port 5 ssh2",
        "Jan  2 11:59:03 host sshd[7]: message repeated 2 times: [ Failed password for invalid user admin from 192.0.2.7 port 5 ssh2]",
        "Jan  2 11:59:04 host sshd[7]: Connection closed by invalid user admin 192.0.2.7 port 5 [preauth]",
        "Jan  2 11:59:05 host sshd[8]: Invalid user x from 192.0.2.7 port 6",
        "Jan  2 11:59:06 host sshd[8]: Connection closed by invalid user x 192.0.2.7 port 6 [preauth]",
    ]
    events = list(of_log(lines, now=time.mktime((2026, 1, 2, 12, 0, 0, 0, 0, -1))))
    tally = count([events], since=0)["192.0.2.7"]
    assert tally.failed == 4
    assert tally.users == {"admin": 3, "x": 1}


def test_journal_and_log_of_the_same_are_not_added_up() -> None:
    said = "Failed password for root from 192.0.2.7 port 5 ssh2"
    entry = {"MESSAGE": said, "SYSLOG_IDENTIFIER": "sshd", "__REALTIME_TIMESTAMP": "1767355140000000"}
    bytes_of_it = {**entry, "MESSAGE": list(said.encode())}
    journal = list(of_journal([json.dumps(entry), json.dumps(bytes_of_it), "{", "[]", '{"MESSAGE":null}']))
    assert len(journal) == 2 and journal[0].at == 1767355140.0
    log = list(of_log(["2026-01-02T11:59:00.123456+00:00 host sshd[7]: Failed password for root from 192.0.2.7 port 5 ssh2"], now=NOW))
    assert log[0].at == 1767355140.0
    assert count([journal, log], since=0)["192.0.2.7"].failed == 2


def test_since() -> None:
    events = [Event(100.0, "failed", "192.0.2.7", "a"), Event(200.0, "failed", "192.0.2.7", "b"), Event(None, "failed", "192.0.2.8", "c")]
    assert {a: one.failed for a, one in count([events], since=150).items()} == {"192.0.2.7": 1, "192.0.2.8": 1}


def test_a_time_without_a_year_is_not_in_the_future() -> None:
    now = time.mktime((2026, 1, 2, 12, 0, 0, 0, 0, -1))
    (event,) = list(of_log(["Dec 31 23:59:59 host sshd[7]: Failed password for root from 192.0.2.7 port 5 ssh2"], now=now))
    assert event.at is not None and time.localtime(event.at).tm_year == 2025
    assert list(of_log(["Feb 30 23:59:59 host sshd[7]: Failed password for root from 192.0.2.7 port 5 ssh2"], now=now))


def test_verdicts() -> None:
    tallies = count([[Event(1.0, "failed", "192.0.2.7", "root", times=120), Event(2.0, "failed", "192.0.2.8", "x", times=3),
                      Event(3.0, "accepted", "192.0.2.7", "root")]], since=0)
    judged = judge_logins(list(tallies.values()), warning=10, critical=100, max_addresses=1, since=0.0, skipped=[])
    said = {**judged.as_result(), **judged.verdict.as_dict()}
    assert said["status"] == "critical" and said["total"] == 123 and said["left_out"] == 1
    assert [one["check"] for one in said["findings"]] == ["failed_logins", "login_after_failures"]
    assert [(one["address"], one["failed"], one["accepted"]) for one in said["worst"]] == [("192.0.2.7", 120, 1)]
    assert judge_logins([], warning=10, critical=100, max_addresses=1, since=0.0, skipped=[]).verdict.status == "ok"


def test_no_tried_name_is_kept_to_decide_from() -> None:
    """People type their password where a name is asked for."""
    typed, lost = "hunter-22", "something hunter-23 that is not understood"
    events = [
        *(Event(1.0, "failed", f"192.0.2.{number}", typed, times=number) for number in range(1, 200)),
        Event(2.0, "failed", "203.0.113.9", "jo", times=12), Event(2.0, "accepted", "203.0.113.9", "jo"),
        Event(1.0, "other", "", lost), Event(1.0, "scan", "198.51.100.1", ""),
    ]
    judged = judge_logins(
        list(count([events], since=0).values()), warning=10, critical=100, suspicious=10, max_addresses=3, since=0.0, skipped=[],
        lines=seen_in(events).lines,
    )
    assert judged.basis is not None
    reading = json.loads(json.dumps(judged.basis.as_reading()))
    assert "hunter" not in json.dumps(reading) and reading["complete"]
    told = reading["given"]["tallies"]
    assert [one["address"] for one in told] == ["192.0.2.199", "192.0.2.198", "192.0.2.197", "203.0.113.9"]
    assert told[-1] == {"address": "203.0.113.9", "failed": 12, "accepted": 1, "before": 12}
    assert (reading["given"]["others"][0], judged.more["addresses"]) == (196, 200)
    assert again(reading).checks == judged.verdict.statuses() and judged.verdict.statuses()["login_after_failures"] == "critical"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1)), max_size=12), st.integers(0, 12), st.integers(1, 3))
def test_those_that_are_kept_decide_the_same(logins: list[tuple[int, int]], missing: int, most: int) -> None:
    tallies = [Tally(f"192.0.2.{place}", failed, accepted) for place, (failed, accepted) in enumerate(logins)]
    judged = judge_logins(
        tallies, warning=10, critical=20, suspicious=15, max_addresses=most, since=0.0, skipped=[], lines=Lines(20, 20 - missing),
    )
    assert judged.basis is not None
    assert again(json.loads(json.dumps(judged.basis.as_reading()))).checks == judged.verdict.statuses()


def log_of(*messages: str) -> list[Event]:
    return list(of_log([f"2026-01-02T11:59:00+00:00 gate sshd[9]: {message}" for message in messages], now=NOW))


def judged_of(events: list[Event], **more: Any) -> dict[str, Any]:
    seen = seen_in(events)
    limits = {"warning": 10, "critical": 100, "spread_warning": 50, "spread_critical": 500, "max_addresses": 5}
    found = judge_logins(
        seen.tallies, **{**limits, "since": 0.0, "skipped": (), **more}, lines=seen.lines, networks=seen.networks, users=seen.users,
        logins=seen.logins, others=(0, seen.others),
    )
    assert found.basis is not None
    reading = json.loads(json.dumps(found.basis.as_reading()))
    assert again(reading).checks == found.verdict.statuses(), "the decision is made again from what is recorded"
    return {**found.as_result(), **found.verdict.as_dict()}


@pytest.mark.parametrize(("line", "failed"), [
    ("error: PAM: Authentication failure for root from 192.0.2.7", 1),
    ("error: PAM: User not known to the underlying authentication module for illegal user x from 192.0.2.7", 1),
    ("Disconnecting authenticating user root 192.0.2.7 port 5: Too many authentication failures [preauth]", 1),
    ("Disconnecting invalid user x y 192.0.2.7 port 5: Too many authentication failures [preauth]", 1),
    ("Failed none for invalid user x from 192.0.2.7 port 5 ssh2", 0),
    ("User bob from 192.0.2.7 not allowed because not listed in AllowUsers", 0),
    ("Server listening on 0.0.0.0 port 22.", 0),
    ("Connection closed by 192.0.2.7 port 5 [preauth]", 0),
])
def test_each_of_these_is_understood(line: str, failed: int) -> None:
    said = judged_of(log_of(line))
    assert (said["total"], said["lines_seen"], said["lines_understood"], said["scans"]) == (failed, 1, 1, [])


def test_what_pam_says_beside_sshd_counts_once() -> None:
    pam = "error: PAM: Authentication failure for root from 192.0.2.7"
    keyboard = "Failed keyboard-interactive/pam for root from 192.0.2.7 port 5 ssh2"
    assert judged_of(log_of(pam, keyboard, pam, pam))["total"] == 3
    assert judged_of(log_of(keyboard, keyboard))["total"] == 2


def test_other_programs_and_syslogs() -> None:
    lines = [
        "<38>1 2026-01-02T11:59:00+00:00 gate sshd 55 - - Failed password for root from 192.0.2.7 port 5 ssh2",
        "2026-01-02T11:59:00+00:00 gate dropbear[5]: Bad password attempt for 'root' from 192.0.2.7:50000",
        "2026-01-02T11:59:00+00:00 gate bob: sshd[1]: Failed password for root from 203.0.113.8 port 1 ssh2",
    ]
    assert {address: one.failed for address, one in count([list(of_log(lines, now=NOW))], since=0).items()} == {"192.0.2.7": 2}


def test_scans_are_told_and_are_no_logins() -> None:
    said = judged_of(log_of(*["Unable to negotiate with 192.0.2.7 port 5: no matching key exchange method found. Their offer: x"] * 30))
    assert (said["total"], said["status"], said["scans"]) == (0, "ok", [{"address": "192.0.2.7", "times": 30}])


def test_lines_that_are_not_understood_make_the_counts_a_lower_bound() -> None:
    odd = [f"A login from afar number {number} went wrong" for number in range(10)]
    few, many = judged_of(log_of(*odd[:9])), judged_of(log_of(*odd))
    assert (few["status"], few["healthy"], few["lines_seen"], few["lines_understood"]) == ("ok", True, 9, 0)
    assert (many["checks"]["failed_logins"], many["healthy"]) == ("unknown", None), "ten more would be a warning"
    (skipped,) = many["skipped_checks"]
    assert skipped["kind"] == "could_not_look" and skipped["reason"].startswith("not_understood: 10 of 10 lines of sshd, such as ")
    assert many["not_understood"] == odd[:3] and all(one in skipped["reason"] for one in odd[:3])
    attack = log_of(*odd, *[f"Failed password for root from 192.0.2.7 port {port} ssh2" for port in range(100)])
    assert judged_of(attack)["skipped_checks"] == [], "critical already"


def test_who_got_in_may_have_failed_before() -> None:
    odd = ["A login from afar went wrong"] * 5
    said = judged_of(log_of(*odd, "Accepted password for root from 192.0.2.7 port 5 ssh2"), suspicious=5)
    assert said["checks"] == {"failed_logins": "ok", "login_after_failures": "unknown"}
