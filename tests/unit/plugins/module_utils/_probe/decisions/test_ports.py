# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports: where one is open, where to connect to, and what the attempts say."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.ports import (
    Answer,
    judge_port,
    judge_udp,
    listeners,
    only_loopback,
    to_try,
)

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0
   2: 0A0200C0:1F90 020200C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0
garbage
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A
   1: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A
   2: zz:zz 0 0A
"""


@pytest.mark.parametrize(("table", "port", "found"), [
    (TCP, 8080, ["127.0.0.1"]), (TCP, 22, ["0.0.0.0"]), (TCP, 443, []), (TCP6, 8080, ["::1"]), (TCP6, 22, ["2001:db8::1"]), ("", 22, []),
])
def test_where_a_port_is_open(table: str, port: int, found: list[str]) -> None:
    assert listeners(table, port=port) == found


@pytest.mark.parametrize(("addresses", "tried"), [
    ([], ["127.0.0.1", "::1"]), (["0.0.0.0", "::"], ["127.0.0.1", "::1"]), (["192.0.2.1"], ["192.0.2.1"]),
    (["0.0.0.0", "127.0.0.1"], ["127.0.0.1"]),
])
def test_where_to_connect(addresses: list[str], tried: list[str]) -> None:
    assert to_try(addresses) == tried


@pytest.mark.parametrize(("addresses", "alone"), [
    ([], False), (["127.0.0.1"], True), (["127.0.0.1", "::1"], True), (["127.0.0.1", "192.0.2.1"], False), (["0.0.0.0"], False),
])
def test_open_for_this_host_alone(addresses: list[str], alone: bool) -> None:
    assert only_loopback(addresses) is alone


GOOD = Answer("192.0.2.1", 0.01)
SILENT = Answer("192.0.2.1", 3.0, "no answer within 3 s")
NAMELESS = Answer("nowhere.example.org", 0.0, "its address was not found", unknown=True)


@pytest.mark.parametrize(("answers", "host", "listening", "status", "said"), [
    ([GOOD], "www.example.org", None, "ok", ""),
    ([SILENT, GOOD], "www.example.org", None, "ok", ""),
    ([SILENT], "www.example.org", None, "critical", "what drops packets"),
    ([NAMELESS], "nowhere.example.org", None, "unknown", "No connection"),
    ([GOOD], "", ["0.0.0.0"], "ok", ""),
    ([GOOD], "", ["127.0.0.1"], "warning", "loopback addresses only"),
    ([GOOD], "", [], "ok", ""),  # forwarded to a container: nothing listens here, and it answers
    ([SILENT], "", [], "critical", "Nothing listens there"),
])
def test_a_tcp_port(answers: list[Answer], host: str, listening: list[str] | None, status: str, said: str) -> None:
    found = judge_port(443, answers, host=host, listening=listening)
    assert (found.status, found.subject) == (status, f"{host or 'this host'} 443/tcp")
    assert said in found.hint


@pytest.mark.parametrize(("listening", "status"), [(None, "unknown"), ([], "critical"), (["::"], "ok"), (["127.0.0.1"], "warning")])
def test_a_udp_port(listening: list[str] | None, status: str) -> None:
    assert judge_udp(53, listening).status == status
