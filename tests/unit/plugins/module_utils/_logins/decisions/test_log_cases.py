# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of an authentication log, and what must be counted of them: formats, connections, and attacks that no single address shows."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions import counting
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.counting import counted, picture
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.lines import Event, of_journal, of_log
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import SPREAD, judge_logins

from tests.support.decided import again

UTC = timezone.utc  # noqa: UP017 # make unit39 runs this too

NOW = time.time()
SINCE = NOW - 3600
#: What the module has by default.
WARNING, CRITICAL = 10, 100


def iso(ago: float = 60) -> str:
    return datetime.fromtimestamp(NOW - ago, tz=UTC).isoformat(timespec="microseconds")


def line(message: str, *, ago: float = 60, program: str = "sshd", pid: int = 9) -> str:
    return f"{iso(ago)} gate {program}[{pid}]: {message}"


def old(message: str) -> str:
    return time.strftime("%b %e %H:%M:%S ", time.localtime(NOW - 60)) + message


def judged(events: Sequence[Event], **more: Any) -> dict[str, Any]:
    """The module's result, which the record's reading must come to as well."""
    seen = picture([counted(events, since=SINCE)])
    limits = {"warning": WARNING, "critical": CRITICAL, **more}
    found = judge_logins(
        seen.tallies, **limits, max_addresses=50, since=SINCE, skipped=(), lines=seen.lines, networks=seen.networks, users=seen.users,
        logins=seen.logins, others=(0, seen.others), spread_warning=SPREAD * limits["warning"], spread_critical=SPREAD * limits["critical"],
    )
    assert found.basis is not None
    reading = json.loads(json.dumps(found.basis.as_reading()))
    assert reading["complete"] and again(reading).checks == found.verdict.statuses()
    return {**found.as_result(), **found.verdict.as_dict()}


def of(*lines: str, **more: Any) -> dict[str, Any]:
    """The result, and the same one where the log is read from its end."""
    events = list(of_log(lines, now=NOW))
    forwards, backwards = judged(events, **more), judged(events[::-1], **more)
    assert {**forwards, "not_understood": []} == {**backwards, "not_understood": []}
    return forwards


def failed(said: dict[str, Any]) -> dict[str, int]:
    return {one["address"]: one["failed"] for one in said["worst"]}


def findings(said: dict[str, Any], check: str) -> dict[str, str]:
    """Subject to status."""
    return {one["subject"]: one["status"] for one in said["findings"] if one["check"] == check}


PASSWORD = "Failed password for root from 192.0.2.1 port 5 ssh2"


@pytest.mark.parametrize(("lines", "expected"), [
    pytest.param([line(PASSWORD, program="sshd-session")], 1, id="OpenSSH 9.8"),
    pytest.param([line(PASSWORD, program="sshd-auth")], 1, id="OpenSSH 10"),
    pytest.param([line(f"message repeated 4 times: [ {PASSWORD}]")], 4, id="rsyslog's repetition"),
    pytest.param([line(PASSWORD), f"{iso(50)} gate last message repeated 3 times"], 4, id="sysklogd's repetition"),
    pytest.param([line(PASSWORD), f"{iso(50)} gate cron[1]: x", f"{iso(50)} gate last message repeated 3 times"], 1, id="of others"),
    pytest.param([line("error: PAM: Authentication failure for root from 192.0.2.1")] * 3, 3, id="PAM, keyboard-interactive"),
    pytest.param([line("Disconnecting authenticating user root 192.0.2.1 port 5: Too many authentication failures [preauth]")], 1,
                 id="too many failures"),
    pytest.param([line("User bob from 192.0.2.1 not allowed because not listed in AllowUsers"),
                  line("Connection closed by invalid user bob 192.0.2.1 port 5 [preauth]")], 1, id="user not allowed"),
    pytest.param([f"<38>1 {iso()} gate sshd 55 - - {PASSWORD}"], 1, id="RFC 5424"),
    pytest.param([f'<38>1 {iso()} gate sshd 55 - [a@1 x="]" y="\\"z"][b q="1"] \ufeff{PASSWORD}'], 1, id="RFC 5424 with data and a BOM"),
    pytest.param([f"<38>{old('gate sshd[5]: ' + PASSWORD)}"], 1, id="RFC 3164 with its priority"),
    pytest.param([old(f"gate sshd[5]: {PASSWORD}")], 1, id="classic"),
    pytest.param([old(f"gate auth.info sshd[5]: {PASSWORD}")], 1, id="BusyBox"),
    pytest.param([time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(NOW - 60)) + " authpriv.warn dropbear[5]: "
                  "Bad password attempt for 'root' from 192.0.2.1:50000"], 1, id="OpenWrt"),
    pytest.param([time.strftime("%b %d %H:%M:%S", time.localtime(NOW - 60)) + f".123456 gate sshd[5]: {PASSWORD}"], 1, id="short-precise"),
    pytest.param([line("Failed password for root from ::ffff:192.0.2.1 port 5 ssh2")], 1, id="mapped address"),
    pytest.param([line("Failed password for invalid user x from 203.0.113.9 port 22 ssh2 from 192.0.2.1 port 5 ssh2")], 1,
                 id="a name that looks like a line's end"),
    pytest.param([f"{iso()} gate bob: sshd[1]: Failed password for root from 203.0.113.8 port 1 ssh2"], 0, id="a local user writes"),
    pytest.param([line("Bad password attempt for 'root' from 192.0.2.1:50000", program="dropbear")], 1, id="dropbear"),
    pytest.param([line("Bad PAM password attempt for 'root' from 192.0.2.1:50000", program="dropbear"),
                  line("Exit before auth from <192.0.2.1:50000>: (user 'root', 1 fails): Exited normally", program="dropbear")], 1,
                 id="dropbear with PAM"),
    pytest.param([line("Login attempt for nonexistent user from 192.0.2.1:50000", program="dropbear")], 1, id="dropbear, no such user"),
    pytest.param([line("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root"),
                  line("pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1 user=root"),
                  line("PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root")], 3,
                 id="only PAM speaks"),
    pytest.param([line("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1", pid=8),
                  line(PASSWORD)], 1, id="PAM beside sshd"),
])
def test_formats(lines: list[str], expected: int) -> None:
    said = of(*lines)
    assert failed(said) == ({"192.0.2.1": expected} if expected else {})
    assert said["lines_seen"] == said["lines_understood"]


def test_the_journal_says_the_same() -> None:
    entries = [
        {"MESSAGE": PASSWORD, "SYSLOG_IDENTIFIER": "sshd-session", "_PID": "7", "__REALTIME_TIMESTAMP": str(int((NOW - 60) * 1e6))},
        {"MESSAGE": "Bad password attempt for 'root' from 192.0.2.1:50000", "SYSLOG_IDENTIFIER": "dropbear", "_PID": "8"},
    ]
    assert failed(judged(list(of_journal(map(json.dumps, entries))))) == {"192.0.2.1": 2}


@pytest.mark.parametrize(("message", "times"), [
    ("Unable to negotiate with 192.0.2.1 port 5: no matching key exchange method found. Their offer: x [preauth]", 30),
    ("message repeated 3 times: [ Did not receive identification string from 192.0.2.1 port 5]", 90),
    ("drop connection #1 from [192.0.2.1]:5 on [198.51.100.1]:22 penalty: failed authentication", 30),
    ("banner exchange: Connection from 192.0.2.1 port 5: invalid format", 30),
])
def test_a_scanner_is_told_and_has_not_failed(message: str, times: int) -> None:
    said = of(*[line(message)] * 30)
    assert said["scans"] == [{"address": "192.0.2.1", "times": times}] and failed(said) == {} and said["healthy"] is True


def test_what_was_not_understood_is_shown_without_what_was_typed() -> None:
    said = of(*[line("Failed telepathy for invalid user hunter2 from 192.0.2.1 port 5 ssh2: 'hunter2', password=hunter2")] * 4)
    assert said["lines_understood"] == 0 and len(said["not_understood"]) == 1 and "hunter2" not in json.dumps(said)
    assert "Failed telepathy for *** from 192.0.2.1" in said["not_understood"][0]


def agent(*, keys: int, times: int, then: str = "") -> list[str]:
    return [
        line(f"{message} for ann from 192.0.2.7 port {40000 + number} ssh2: ED25519 SHA256:{key}", pid=1000 + number)
        for number in range(times) for key, message in enumerate(["Failed publickey"] * keys + ([then] if then else []))
    ]


def test_an_agent_with_five_keys_of_which_the_fifth_is_right() -> None:
    said = of(*agent(keys=4, times=25, then="Accepted publickey"))
    assert (said["total"], said["status"], failed(said)) == (0, "ok", {})
    seen = picture([counted(of_log(agent(keys=4, times=25, then="Accepted publickey"), now=NOW), since=SINCE)])
    assert [(one.accepted, one.keys) for one in seen.tallies] == [(25, 25)]


def test_keys_that_are_refused_are_no_guesses() -> None:
    """Each connection has failed once, however many keys it offered; nobody is an attacker for that."""
    many = [line("error: maximum authentication attempts exceeded for ann from 192.0.2.7 port 40001 ssh2 [preauth]", pid=1001)]
    said = of(*agent(keys=6, times=30), *many)
    assert (said["total"], said["guesses"], said["status"]) == (30, 0, "ok")
    assert said["worst"][0]["attacker"] is False


def test_a_client_that_gives_up_before_a_password_has_guessed_nothing() -> None:
    said = of(*(line(f"Connection closed by authenticating user ann 192.0.2.7 port {port} [preauth]", pid=port) for port in range(40)))
    assert (said["total"], said["guesses"], said["status"]) == (40, 0, "ok")
    names = of(*(line(f"Connection closed by invalid user adm{port} 192.0.2.7 port {port} [preauth]", pid=port) for port in range(40)))
    assert (names["guesses"], names["status"]) == (40, "warning")


def guesses(times: int, *, address: str = "192.0.2.1", user: str = "root", ago: float = 600, first_port: int = 1000) -> list[str]:
    return [
        line(f"Failed password for {user} from {address} port {first_port + number} ssh2", ago=ago, pid=first_port + number)
        for number in range(times)
    ]


def got_in(address: str, user: str, *, how: str = "password", ago: float = 60, port: int = 7) -> str:
    return line(f"Accepted {how} for {user} from {address} port {port} ssh2", ago=ago, pid=70000 + port)


def from_everywhere(*, addresses: int = 200, each: int = 8, user: str = "root") -> list[str]:
    return [
        one for number in range(addresses)
        for one in guesses(each, address=f"203.0.113.{number + 1}", user=user, first_port=2000 + number * each)
    ]


def test_two_hundred_addresses_of_which_one_gets_in() -> None:
    said = of(*from_everywhere(), got_in("203.0.113.77", "root"))
    assert (said["total"], said["status"], said["healthy"]) == (1600, "critical", False)
    (found,) = [one for one in said["findings"] if one["check"] == "login_after_failures"]
    assert (found["status"], found["subject"], found["observed"], found["detail"]["users"]) == ("critical", "203.0.113.77", 1600, ["root"])
    assert "root got in by password from 203.0.113.77 after 1600 failed logins of this user" in found["hint"]
    assert said["got_in"][0]["failed_before"] == {"user": 1600, "address": 8, "network": 1600, "connection": 0}


def test_a_login_by_password_of_the_attacked_user_is_critical_whoever_it_came_from() -> None:
    said = of(*from_everywhere(), got_in("198.51.100.9", "root"))
    assert findings(said, "login_after_failures") == {"198.51.100.9": "critical"}


@pytest.mark.parametrize("login", [
    got_in("198.51.100.9", "ann"), got_in("198.51.100.9", "root", how="publickey"), got_in("198.51.100.9", "root", ago=1200),
    got_in("203.0.113.77", "root", how="publickey"),
], ids=["another user", "a key", "before it began", "a key, from an address that failed"])
def test_a_login_that_is_none_of_a_guessed_password(login: str) -> None:
    said = of(*from_everywhere(), login)
    assert said["checks"]["login_after_failures"] == "ok" and said["checks"]["failed_logins"] == "critical"


def test_a_second_factor_after_a_key_is_no_guess() -> None:
    login = [line("Partial publickey for root from 198.51.100.9 port 7 ssh2: ED25519 SHA256:aa", pid=7),
             line("Accepted keyboard-interactive/pam for root from 198.51.100.9 port 7 ssh2", pid=7)]
    assert of(*from_everywhere(), *login)["checks"]["login_after_failures"] == "ok"
    assert of(*from_everywhere(), login[1])["checks"]["login_after_failures"] == "critical"


@pytest.mark.parametrize(("lines", "subject", "status"), [
    (guesses(12), "192.0.2.1", "warning"),
    ([one for number in range(30) for one in guesses(1, address=f"192.0.2.{number}", user=f"u{number}")], "192.0.2.0/24", "warning"),
    ([one for number in range(30) for one in guesses(5, address=f"2001:db8:0:7::{number:x}", user=f"u{number}")], "2001:db8:0:7::/64",
     "critical"),
    ([one for number in range(60) for one in guesses(1, address=f"198.51.{number}.9", user="ann")], "user ann", "warning"),
    ([one for number in range(60) for one in guesses(1, address=f"198.51.{number}.9", user=f"u{number}")], "all addresses", "warning"),
    ([one for number in range(250) for one in guesses(2, address=f"198.51.{number}.9", user=f"u{number}")], "all addresses", "critical"),
], ids=["address", "/24", "/64", "user", "total", "total, critical"])
def test_an_attack_is_seen_in_whatever_it_shows(lines: list[str], subject: str, status: str) -> None:
    said = of(*lines)
    assert findings(said, "failed_logins")[subject] == status == said["checks"]["failed_logins"]


def test_who_gets_in_more_often_than_it_fails_is_named_and_is_no_attacker() -> None:
    """An office behind one address: its people mistype, and work."""
    mistyped = [one for number in range(30) for one in guesses(5, address="192.0.2.7", user=f"u{number}", first_port=100 * number)]
    work = [got_in("192.0.2.7", f"u{number % 30}", ago=500 - number, port=number) for number in range(200)]
    said = of(*mistyped, *work)
    assert said["worst"][0]["attacker"] is False and findings(said, "login_after_failures")["192.0.2.7"] == "warning"
    keys = of(*guesses(120, address="192.0.2.7"), got_in("192.0.2.7", "ann", how="publickey"))
    assert keys["worst"][0]["attacker"] is False and findings(keys, "login_after_failures") == {"192.0.2.7": "warning"}
    stranger = of(*guesses(120, address="192.0.2.7"), got_in("192.0.2.7", "ann"))
    assert stranger["worst"][0]["attacker"] is True and findings(stranger, "login_after_failures") == {"192.0.2.7": "critical"}


def test_a_thousand_tries_in_one_connection() -> None:
    """It ends in a login, so it has not failed; but nobody mistypes that often."""
    tries = [line("Failed password for ann from 192.0.2.7 port 5 ssh2", ago=90, pid=5) for _number in range(300)]
    said = of(*tries, line("Accepted password for ann from 192.0.2.7 port 5 ssh2", pid=5))
    assert said["total"] == 0 and findings(said, "login_after_failures") == {"192.0.2.7": "critical"}


def test_a_guesser_of_many_names_who_gets_in_is_named() -> None:
    """Each name is tried once or twice; nothing but the total shows the attack."""
    spray = [one for number in range(60) for one in guesses(1, address=f"198.51.{number}.9", user=f"u{number}")]
    few = [one for name in ("bob", "carl") for one in guesses(1, address="203.0.113.7", user=name, first_port=ord(name[0]))]
    assert findings(of(*spray, *few, got_in("203.0.113.7", "dora")), "login_after_failures") == {"203.0.113.7": "warning"}
    assert of(*few, got_in("203.0.113.7", "dora"))["checks"]["login_after_failures"] == "ok"


def test_a_port_comes_again() -> None:
    """Lines without a process's number: ten minutes later it is another connection."""
    lines = [f"{iso(3000)} gate sshd: {PASSWORD}", f"{iso(60)} gate sshd: Accepted publickey for root from 192.0.2.1 port 5 ssh2"]
    assert failed(of(*lines)) == {"192.0.2.1": 1}
    assert failed(of(f"{iso(61)} gate sshd: {PASSWORD}", lines[1])) == {}


def test_without_process_numbers_what_pam_says_counts_once() -> None:
    pam = f"{iso()} gate sshd: error: PAM: Authentication failure for root from 192.0.2.1"
    typed = [f"{iso()} gate sshd: Failed keyboard-interactive/pam for root from 192.0.2.1 port {port} ssh2" for port in (5, 6)]
    assert failed(of(pam, typed[0], pam, typed[1], pam)) == {"192.0.2.1": 3}


def test_what_finds_no_room_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """More addresses, names, open connections and times than are kept each by itself."""
    for name in ("_MOST_ADDRESSES", "_MOST_USERS", "_MOST_PAIRS", "_MOST_OPEN", "_MOST_TIMES"):
        monkeypatch.setattr(counting, name, 10)
    lines = [one for number in range(600) for one in guesses(1, address=f"198.51.{number % 200}.9", user=f"u{number}", first_port=number)]
    said = judged(list(of_log(lines, now=NOW)))
    assert said["guesses"] == 600 and len(said["worst"]) == 10 and said["checks"]["failed_logins"] == "critical"
