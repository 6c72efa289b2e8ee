# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed logins, counted once, whoever chose the user's name."""

from __future__ import annotations

import calendar
import json
import time

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import (
    Event,
    count,
    judge_logins,
    parse_journal,
    parse_log,
    parse_message,
)

NOW = float(calendar.timegm((2026, 1, 2, 12, 0, 0)))


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
    (event,) = parse_message(message, program="sshd", at=1.0)
    assert (event.kind, event.address, event.user) == (kind, address, user)


@pytest.mark.parametrize("user", [
    "x from 198.51.100.1 port 1 ssh2", "x from 198.51.100.1 port 1 ssh2: RSA SHA256:a", "from 198.51.100.1 port 1",
    "a for b from 198.51.100.1",
    "x from 198.51.100.1 port 1 ssh2 [preauth]",
])
def test_a_name_of_the_clients_choosing_blames_nobody_else(user: str) -> None:
    for text in (f"Failed password for invalid user {user} from 192.0.2.7 port 5 ssh2", f"Invalid user {user} from 192.0.2.7 port 5",
                 f"Connection closed by invalid user {user} 192.0.2.7 port 5 [preauth]"):
        assert {event.address for event in parse_message(text, program="sshd", at=1.0)} <= {"192.0.2.7"}


def test_others() -> None:
    pam = "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=x rhost=192.0.2.7  user=jo"
    dovecot = "imap-login: Disconnected (auth failed, 3 attempts in 14 secs): user=<jo>, method=PLAIN, rip=192.0.2.8, lip=192.0.2.1"
    assert [(e.address, e.user) for e in parse_message(pam, program="vsftpd", at=None)] == [("192.0.2.7", "jo")]
    assert [(e.address, e.user) for e in parse_message(dovecot, program="dovecot", at=None)] == [("192.0.2.8", "jo")]
    assert not parse_message(pam, program="sshd", at=None), "sshd says it itself as well"
    assert not parse_message("Failed password for x from somewhere port 1 ssh2", program="sshd", at=None)
    assert not parse_message("Failed password for x from 192.0.2.7 port 1 ssh2", program="imitator", at=None)


def test_one_attempt_has_many_lines() -> None:
    lines = [
        "Jan  2 11:59:01 host sshd[7]: Invalid user admin from 192.0.2.7 port 5",
        "Jan  2 11:59:02 host sshd[7]: Failed password for invalid user admin from 192.0.2.7 port 5 ssh2",
        "Jan  2 11:59:03 host sshd[7]: message repeated 2 times: [ Failed password for invalid user admin from 192.0.2.7 port 5 ssh2]",
        "Jan  2 11:59:04 host sshd[7]: Connection closed by invalid user admin 192.0.2.7 port 5 [preauth]",
        "Jan  2 11:59:05 host sshd[8]: Invalid user x from 192.0.2.7 port 6",
        "Jan  2 11:59:06 host sshd[8]: Connection closed by invalid user x 192.0.2.7 port 6 [preauth]",
    ]
    events = parse_log(lines, now=time.mktime((2026, 1, 2, 12, 0, 0, 0, 0, -1)))
    tally = count([events], since=0)["192.0.2.7"]
    assert tally.failed == 4
    assert tally.users == {"admin": 3, "x": 1}


def test_journal_and_log_of_the_same_are_not_added_up() -> None:
    said = "Failed password for root from 192.0.2.7 port 5 ssh2"
    entry = {"MESSAGE": said, "SYSLOG_IDENTIFIER": "sshd", "__REALTIME_TIMESTAMP": "1767355140000000"}
    bytes_of_it = {**entry, "MESSAGE": list(said.encode())}
    journal = parse_journal([json.dumps(entry), json.dumps(bytes_of_it), "{", "[]", '{"MESSAGE":null}'])
    assert len(journal) == 2 and journal[0].at == 1767355140.0
    log = parse_log(["2026-01-02T11:59:00.123456+00:00 host sshd[7]: Failed password for root from 192.0.2.7 port 5 ssh2"], now=NOW)
    assert log[0].at == 1767355140.0
    assert count([journal, log], since=0)["192.0.2.7"].failed == 2


def test_since() -> None:
    events = [Event(100.0, "failed", "192.0.2.7", "a"), Event(200.0, "failed", "192.0.2.7", "b"), Event(None, "failed", "192.0.2.8", "c")]
    assert {a: one.failed for a, one in count([events], since=150).items()} == {"192.0.2.7": 1, "192.0.2.8": 1}


def test_a_time_without_a_year_is_not_in_the_future() -> None:
    now = time.mktime((2026, 1, 2, 12, 0, 0, 0, 0, -1))
    (event,) = parse_log(["Dec 31 23:59:59 host sshd[7]: Failed password for root from 192.0.2.7 port 5 ssh2"], now=now)
    assert event.at is not None and time.localtime(event.at).tm_year == 2025
    assert parse_log(["Feb 30 23:59:59 host sshd[7]: Failed password for root from 192.0.2.7 port 5 ssh2"], now=now)


def test_verdicts() -> None:
    tallies = count([[Event(1.0, "failed", "192.0.2.7", "root", times=120), Event(2.0, "failed", "192.0.2.8", "x", times=3),
                      Event(3.0, "accepted", "192.0.2.7", "root")]], since=0)
    judged = judge_logins(tallies, warning=10, critical=100, max_addresses=1, since=0.0, skipped=[])
    said = {**judged.as_result(), **judged.verdict.as_dict()}
    assert said["status"] == "critical" and said["total"] == 123 and said["left_out"] == 1
    assert [one["check"] for one in said["findings"]] == ["failed_logins", "login_after_failures"]
    assert [(one["address"], one["failed"], one["accepted"]) for one in said["worst"]] == [("192.0.2.7", 120, 1)]
    assert judge_logins({}, warning=10, critical=100, max_addresses=1, since=0.0, skipped=[]).verdict.status == "ok"
