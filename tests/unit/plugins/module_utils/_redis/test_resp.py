# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RESP2: every byte a server may send is a reply or a clear refusal, never a hang or a crash."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.resp import (
    MAX_DEPTH,
    ErrorReply,
    NotRedis,
    error_from,
    pack,
    read_reply,
    shown,
    text,
)

hypothesis = pytest.importorskip("hypothesis")
given, st = hypothesis.given, pytest.importorskip("hypothesis.strategies")
# A busy machine is no finding: neither a slow example nor slow making of examples.
patient = hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))


class Bytes:
    """A source that ends."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def line(self) -> bytes:
        if b"\r\n" not in self.data:
            raise ConnectionResetError
        found, _, self.data = self.data.partition(b"\r\n")
        return found

    def exactly(self, size: int) -> bytes:
        if size > len(self.data):
            raise ConnectionResetError
        found, self.data = self.data[:size], self.data[size:]
        return found


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"+PONG\r\n", b"PONG"),
        (b":-1\r\n", -1),
        (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n", [1, None, [b"x"]]),
        (b"-MISCONF Redis is configured\r\n", ErrorReply("MISCONF", "Redis is configured")),
        (b"-ERR max number of clients reached\r\n", ErrorReply("ERR", "max number of clients reached")),
        (b"-something else\r\n", ErrorReply("ERR", "something else")),
    ],
)
def test_replies(data: bytes, reply: object) -> None:
    assert read_reply(Bytes(data)) == reply


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b":x\r\n", b"$9999999999\r\n", b"*99999999\r\n"])
def test_what_is_no_redis_is_said_so(data: bytes) -> None:
    with pytest.raises(NotRedis):
        read_reply(Bytes(data))


def test_nesting_is_bounded() -> None:
    with pytest.raises(NotRedis):
        read_reply(Bytes(b"*1\r\n" * (MAX_DEPTH + 5)))


def test_a_command_is_a_list_of_strings() -> None:
    assert pack("SET", b"\xff", 1) == b"*3\r\n$3\r\nSET\r\n$1\r\n\xff\r\n$1\r\n1\r\n"


@patient
@given(st.binary(max_size=200))
def test_bytes_survive_being_text(data: bytes) -> None:
    assert pack(text(data)) == pack(data)
    shown(data).encode("utf-8")


@patient
@given(st.binary(max_size=400))
def test_any_bytes_are_a_reply_or_a_refusal(data: bytes) -> None:
    try:
        read_reply(Bytes(data))
    except (NotRedis, ConnectionResetError):
        pass


@patient
@given(st.text(max_size=100))
def test_any_error_has_a_code(said: str) -> None:
    assert error_from(said).code
