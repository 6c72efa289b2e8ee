# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first words of services, the queues in which connections wait, and at which address clients come in."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions import greetings
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.listening import Queue, judge_queue, parse_proc, parse_ss
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.ports import Answer, Seen, decide, judge_port

from tests.support.decided import decided_again

MYSQL_ERROR = b"\x2e\x00\x00\x00\xff\x69\x04Host '192.0.2.7' is blocked because of many connection errors"


@pytest.mark.parametrize(("kind", "words", "heard"), [
    ("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n", "well"),
    ("ssh", b"Welcome.\r\nBe careful.\r\nSSH-2.0-OpenSSH_9.2p1\r\n", "well"),
    ("ssh", b"Exceeded MaxStartups\r\n", "refused"),
    ("ssh", b"Not allowed at this time\r\n", "refused"),
    ("ssh", b"HTTP/1.1 400 Bad Request\r\n", "other"),
    ("ssh", b"", "silent"),
    ("smtp", b"220-mail.example.org ESMTP\r\n", "well"),
    ("smtp", b"554 5.7.1 no\r\n", "refused"),
    ("ftp", b"421 Too many users\r\n", "refused"),
    ("pop3", b"+OK ready\r\n", "well"),
    ("imap", b"* BYE overloaded\r\n", "refused"),
    ("imap", b"* PREAUTH hello\r\n", "well"),
    ("mysql", b"\x5b\x00\x00\x00\x0a8.0.36\x00", "well"),
    ("mysql", MYSQL_ERROR, "refused"),
    ("redis", b"+PONG\r\n", "well"),
    ("redis", b"-NOAUTH Authentication required.\r\n", "well"),
    ("redis", b"-DENIED Redis is running in protected mode\r\n", "refused"),
    ("redis", b"-LOADING Redis is loading the dataset in memory\r\n", "other"),
    ("any", b"?", "well"),
    ("any", b"", "silent"),
])
def test_what_first_words_mean(kind: str, words: bytes, heard: str) -> None:
    assert greetings.hear(kind, words, closed=False) == heard
    assert greetings.hear(kind, words, closed=True) == ("closed" if not words else heard)
    assert greetings.enough(kind, words) == (heard in ("well", "refused") or (heard == "other" and kind != "ssh"))


def test_words_for_people() -> None:
    assert greetings.shown(b"SSH-2.0-x\r\nmore") == "SSH-2.0-x..more"
    assert greetings.shown(MYSQL_ERROR).startswith("Host '192.0.2.7' is blocked")
    assert [greetings.usual(port) for port in (22, 25, 3306, 6379, 443)] == ["ssh", "smtp", "mysql", "redis", "none"]


SS = """State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
LISTEN 0      128          0.0.0.0:22        0.0.0.0:*
LISTEN 5      4                  *:80              *:*
LISTEN 2      511          [2001:db8::1]:22   [::]:*
LISTEN 0      4096   127.0.0.53%lo:53        0.0.0.0:*
"""


def test_the_sockets_that_listen() -> None:
    assert parse_ss(SS, port=22) == (Queue("0.0.0.0", 0, 128), Queue("2001:db8::1", 2, 511))
    assert parse_ss(SS, port=80) == (Queue("*", 5, 4),) and parse_ss(SS, port=53)[0].address == "127.0.0.53%lo"
    line = "   0: 00000000:0016 00000000:0000 0A 00000000:00000003 00:00000000 00000000 0 0 1 1 0"
    assert parse_proc(f"header\n{line}\ngarbage\n", port=22, most=128) == (Queue("00000000", 3, 128),)


@pytest.mark.parametrize(("looks", "status"), [
    ([[Queue("*", 0, 8)]], "ok"),
    ([[Queue("*", 3, 8)], [Queue("*", 0, 8)]], "ok"),
    ([[Queue("*", 3, 8)], [Queue("*", 4, 8)]], "warning"),
    # One of several processes hangs, and the others serve.
    ([[Queue("a", 0, 8), Queue("b", 1, 8)], [Queue("a", 2, 8), Queue("b", 1, 8)]], "warning"),
    ([[Queue("*", 8, 8)], [Queue("*", 8, 8)]], "warning"),
    ([[Queue("*", 9, 8)]], "critical"),
    ([[]], None),
    ([], None),
])
def test_whether_who_comes_is_accepted(looks: list[list[Queue]], status: str | None) -> None:
    found = judge_queue(80, looks, seconds=3.0)
    assert (None if found is None else found.status) == status
    assert found is None or bool(found.hint) == (status != "ok")


def answer(address: str = "192.0.2.1", **more: object) -> Answer:
    return Answer(**{"address": address, "seconds": 0.01, **more})  # type: ignore[arg-type]


OUTSIDE = answer(clients=("198.51.100.9",), problem="Connection refused")


@pytest.mark.parametrize(("answers", "listening", "named", "status", "said"), [
    ([answer(heard="well")], ["0.0.0.0"], False, "ok", ""),
    ([answer(heard="silent")], ["0.0.0.0"], False, "critical", "it hangs"),
    ([answer(heard="closed")], ["0.0.0.0"], False, "critical", "hosts.deny"),
    ([answer(heard="refused", words="Exceeded MaxStartups")], ["0.0.0.0"], False, "critical", "its limits"),
    ([answer(heard="other", words="HTTP/1.1 400")], ["0.0.0.0"], False, "warning", "Something else than SSH"),
    ([answer(heard="other", words="HTTP/1.1 400")], ["0.0.0.0"], True, "critical", "Something else than SSH"),
    ([OUTSIDE, answer("127.0.0.1", heard="well")], ["127.0.0.1"], False, "critical", "listens at 127.0.0.1, and not where they come in"),
    ([OUTSIDE, answer("127.0.0.1", heard="well")], ["0.0.0.0"], False, "critical", "does not get through to itself"),
    ([answer(clients=("198.51.100.9",), heard="well")], ["192.0.2.1"], False, "ok", ""),
    # Of several addresses one that serves is enough, unless it is known where they come in.
    ([answer(heard="refused", words="-DENIED"), answer("127.0.0.1", heard="well")], ["0.0.0.0"], False, "ok", ""),
    ([answer(heard="refused", words="-DENIED", clients=("198.51.100.9",)), answer("127.0.0.1", heard="well")], ["0.0.0.0"], False,
     "critical", "its limits"),
    # Sent on to a container: nobody listens here, and who comes from outside gets an answer.
    ([OUTSIDE, answer("127.0.0.1", heard="well")], [], False, "ok", ""),
])
def test_a_port_that_has_to_say_something(answers: list[Answer], listening: list[str], named: bool, status: str, said: str) -> None:
    found = judge_port(22, answers, listening=listening, expected="ssh", named=named)
    assert found.status == status and said in found.hint
    assert found.status == "ok" or all(one.words in str(found.observed) for one in answers)


def test_the_decision_can_be_made_again() -> None:
    seen = [Seen(22, ("127.0.0.1",), (OUTSIDE, answer("127.0.0.1", heard="well")), "ssh", False, ((Queue("*", 9, 8),),), 0.1)]
    judged = decide("", "tcp", seen, asked=("port", "accept_queue"))
    assert judged.verdict.statuses() == {"port": "critical", "accept_queue": "critical"}
    assert decided_again(judged.basis).checks == judged.verdict.statuses()
    (full,) = [one for one in decide("", "tcp", [Seen(80, ("0.0.0.0",), (answer(problem="no answer within 3 s"),), queues=seen[0].queues)],
                                     asked=None).verdict.findings if one.check == "port"]
    assert "queue of * is full" in full.hint, "why nobody gets a connection"
    other = decide("gate.example.org", "tcp", [Seen(22, None, (answer(),))], asked=("port", "accept_queue"))
    assert other.verdict.healthy is True and decided_again(other.basis).checks == other.verdict.statuses()
