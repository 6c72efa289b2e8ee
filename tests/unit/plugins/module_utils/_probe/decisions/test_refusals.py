# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service turned somebody away, in the words of its log."""

from __future__ import annotations

import datetime
import random
import time

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.ports import Answer, Seen, decide
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.refusals import Read, Refusal, find_refusals, judge_refusals

from tests.support.decided import decided_again

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc).timestamp()  # noqa: UP017 # also on Python 3.9
CLIENTS = [Span.of(parse_network(text)) for text in ("192.0.2.7", "2001:db8::/64")]


def found(*lines: str, since: float = NOW - 3600) -> list[Refusal]:
    return find_refusals(lines, CLIENTS, since=since, now=NOW)


def said(message: str, *, program: str = "sshd", process: int = 7, at: str = "2026-11-30T11:59:00.123456+00:00") -> str:
    return f"{at} gate {program}[{process}]: {message}"


@pytest.mark.parametrize(("message", "kind"), [
    ("User ann from 192.0.2.7 not allowed because not listed in AllowUsers", "not_allowed"),
    ("User ann from 192.0.2.7 not allowed because shell /bin/gone does not exist", "not_allowed"),
    ("ROOT LOGIN REFUSED FROM 192.0.2.7 port 5022", "not_allowed"),
    ("Disconnecting authenticating user ann 192.0.2.7 port 5022: Too many authentication failures [preauth]", "too_many_failures"),
    ("error: maximum authentication attempts exceeded for ann from 192.0.2.7 port 5022 ssh2 [preauth]", "too_many_failures"),
    ("drop connection #10 from [192.0.2.7]:5022 on [192.0.2.1]:22 past MaxStartups", "max_startups"),
    ("drop connection #0 from [192.0.2.7]:5022 on [192.0.2.1]:22 penalty: failed authentication", "penalty"),
    ("refused connect from 192.0.2.7 (192.0.2.7)", "hosts_deny"),
    ("Unable to negotiate with 192.0.2.7 port 5022: no matching cipher found. Their offer: des [preauth]", "no_common_algorithm"),
    ("pam_access(sshd:account): access denied for user `ann' from `192.0.2.7'", "access_denied"),
    ("Failed password for ann from 192.0.2.7 port 5022 ssh2", "login_failed"),
    ("NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no", "rejected"),
    ("Failed publickey for ann from 2001:DB8:0:0::9 port 5022 ssh2: RSA SHA256:x", "login_failed"),
])
def test_reasons_of_services(message: str, kind: str) -> None:
    (one,) = found(said(message))
    assert (one.kind, one.at) == (kind, NOW - 60)
    finding = judge_refusals(Read(tuple(CLIENTS), 0.0, (one,), ("journal",)))
    assert finding.status == "warning" and finding.hint.startswith("sshd said: ") and finding.detail["kinds"] == [kind]


@pytest.mark.parametrize("line", [
    said("Accepted publickey for ann from 192.0.2.7 port 5022 ssh2"),
    said("User ann from 192.0.2.77 not allowed because not listed in AllowUsers"),
    said("User ann from 198.51.100.7 not allowed because not listed in AllowUsers"),
    said("refused connect from 192.0.2.7 (192.0.2.7)", at="2026-11-30T10:00:00Z"),
    said("refused connect from 1192.0.2.7"),
    "garbage refused connect from 192.0.2.7",
])
def test_lines_that_say_nothing_of_them(line: str) -> None:
    assert found(line) == []


def test_a_line_without_address_is_of_its_process() -> None:
    refused = said("Authentication refused: bad ownership or modes for directory /home/ann", process=9)
    assert found(refused) == []
    (one,) = found(refused, said("Connection closed by authenticating user ann 192.0.2.7 port 5 [preauth]", process=9))
    assert (one.kind, one.address) == ("bad_permissions", "192.0.2.7")
    assert found(refused, said("Connection closed by authenticating user bob 198.51.100.7 port 5 [preauth]", process=9)) == []
    (everybody,) = found(said("error: beginning MaxStartups throttling"))
    assert (everybody.kind, everybody.address) == ("max_startups", "")


@pytest.mark.parametrize(("at", "ago"), [
    ("2026-11-30T12:59:00+01:00", 60), ("2026-11-30T11:59:00Z", 60), ("2026-11-30T11:59:00+0000", 60),
])
def test_times(at: str, ago: float) -> None:
    (one,) = found(said("refused connect from 192.0.2.7", at=at))
    assert one.at == NOW - ago


def test_a_time_without_a_year_is_the_last_one() -> None:
    here = time.strftime("%b %d %H:%M:%S", time.localtime(NOW - 60))
    (one,) = found(said("refused connect from 192.0.2.7", at=here))
    assert one.at == NOW - 60
    later = time.strftime("%b %d %H:%M:%S", time.localtime(NOW + 10 * 86400))
    assert found(said("refused connect from 192.0.2.7", at=later)) == []


def test_what_was_typed_for_a_name_is_not_told() -> None:
    (one,) = found(said("Failed password for invalid user s3cret from 192.0.2.7 port 5 ssh2"))
    assert "s3cret" not in one.text and "192.0.2.7" in one.text


def test_any_lines_at_all() -> None:
    chance = random.Random(7)
    line = said("Disconnecting authenticating user ann 192.0.2.7 port 5022: Too many authentication failures [preauth]")
    for _ in range(2000):
        start = chance.randrange(len(line))
        found(line[:start] + chr(chance.randrange(0x2500)) * chance.randrange(4) + line[start + chance.randrange(5):])


def test_the_decision_can_be_made_again() -> None:
    read = Read(tuple(CLIENTS), 0.0, tuple(found(said("refused connect from 192.0.2.7"))), ("journal",), ("/var/log/mail.log: no",))
    judged = decide("", "tcp", [Seen(22, ("0.0.0.0",), (Answer("127.0.0.1", 0.1),))], asked=("port",), refusals=read)
    assert judged.verdict.statuses() == {"port": "ok", "refusals": "unknown"} and judged.verdict.healthy is True
    assert decided_again(judged.basis).checks == judged.verdict.statuses()
    assert judge_refusals(Read(tuple(CLIENTS), 0.0, (), ("journal",))).status == "ok"
    nothing = decide("", "tcp", [Seen(22, None, (Answer("127.0.0.1", 0.1),))], asked=("port", "refusals"), refusals=Read((), 0.0))
    assert nothing.verdict.healthy is True, "a host without a log"
