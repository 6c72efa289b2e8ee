# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes from outside: an answer or an error of ours, never a crash, never a hang."""

from __future__ import annotations

import json
import pickle
import pickletools
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions import pickled
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import bans_of, from_client
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.ipsets import parse_ipsets
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.iptables_rules import parse_save
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.nft_ruleset import Unreadable, parse_nft
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.other_filters import (
    hosts_deny_blocks,
    parse_routes,
    rich_rule_blocks,
)
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet import Packet
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.walk import Walker
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.sockets_table import parse_tcp
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions import lines

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as st  # noqa: E402 # after the skip

fuzz = hypothesis.settings(max_examples=80, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), derandomize=True)
SPAN = Span(4, 3221225991, 3221225991)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5), max_leaves=20,
)
#: Bytes that are opcodes more often than chance would have it.
OPCODES = st.lists(
    st.sampled_from([known.code.encode("latin-1") for known in pickletools.opcodes]) | st.binary(max_size=9), max_size=60,
).map(b"".join)


@fuzz
@hypothesis.given(st.binary(max_size=200) | OPCODES | OPCODES.map(lambda data: b"\x80\x04" + data + b"."))
def test_bytes_are_data_or_refused(data: bytes) -> None:
    try:
        pickled.read(data)
    except pickled.NotData:
        pass


@fuzz
@hypothesis.given(PLAIN, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_what_python_pickles_is_read_as_it_is(value: t.Any, protocol: int) -> None:
    assert pickled.read(pickle.dumps(value, protocol=protocol)) == value


@fuzz
@hypothesis.given(PLAIN, st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_damaged_replies(value: t.Any, place: int, garbage: bytes) -> None:
    data = pickle.dumps((0, value))
    try:
        pickled.read(data[:place] + garbage + data[place + len(garbage):])
    except pickled.NotData:
        pass


@fuzz
@hypothesis.given(st.text(max_size=200))
def test_texts(text: str) -> None:
    read_network(text)
    bans_of("sshd", [text])
    for words in (["status"], ["get", "sshd", "banip", "--with-time"], ["get", "dbfile"], ["get", "sshd", "actions"], ["ping"]):
        from_client(words, text)
    parse_ipsets(text)
    parse_tcp("head\n" + text)
    hosts_deny_blocks(SPAN, deny=text, allow=text)
    rich_rule_blocks(SPAN, text)
    list(lines.of_log([text, f"Jan  2 11:59:01 host sshd[7]: {text}", f"2026-01-02T00:00:00Z h sshd: {text}"], now=1767355140.0))
    for program in ("sshd", "dropbear", "dovecot"):
        lines.read_message(text, program=program, at=None)


WORDS = st.sampled_from(["-A", "INPUT", "f2b-sshd", "-s", "192.0.2.7/32", "!", "-j", "DROP", "-m", "set", "--match-set", "src", "--dports",
                         "22,80:90", ":", "*filter", ":INPUT ACCEPT [0:0]", "COMMIT", "\n", '"', "-p", "tcp", "--src-range", "-", "::1"])


@fuzz
@hypothesis.given(st.lists(WORDS | st.text(max_size=6), max_size=60).map(" ".join))
def test_dumps_of_iptables(text: str) -> None:
    tables, _unread = parse_save(text, where="iptables", family="ip", sets=parse_ipsets(text))
    Walker(tables).blocks(Packet(SPAN))
    Walker(tables).blocks(Packet(Span(4, SPAN.first & ~255, SPAN.first | 255)))


EXPRESSION = st.recursive(
    st.none() | st.integers(-5, 70000) | st.sampled_from(["192.0.2.7", "@s", "saddr", "ip", "tcp", "==", "!="]) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["match", "left", "right", "op", "payload", "protocol", "field", "set", "prefix", "addr", "len", "range", "concat",
                         "vmap", "key", "data", "drop", "jump", "target", "elem", "val", "meta", "xt", "type", "name", "accept"]),
        inner, max_size=4), max_leaves=25,
)


@fuzz
@hypothesis.given(st.lists(EXPRESSION, max_size=4), st.lists(EXPRESSION, max_size=4), EXPRESSION)
def test_rulesets_of_nft(expressions: t.Any, elements: t.Any, anything: t.Any) -> None:
    names = {"family": "inet", "table": "t"}
    said = {"nftables": [
        {"table": {"family": "inet", "name": "t"}}, {"set": {**names, "name": "s", "elem": elements}},
        {"chain": {**names, "name": "c", "hook": "input", "prio": anything}}, anything,
        {"rule": {**names, "chain": "c", "handle": 1, "expr": expressions}},
        {"rule": {**names, "chain": "c", "handle": anything, "expr": anything}},
    ]}
    Walker(parse_nft(json.dumps(said))).blocks(Packet(SPAN))
    for text in (json.dumps(anything), json.dumps({"nftables": anything})):
        try:
            parse_nft(text)
            parse_routes(text)
        except (Unreadable, ValueError):
            pass
