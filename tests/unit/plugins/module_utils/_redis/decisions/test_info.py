# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFO of every flavour by field name: unknown fields are kept, nothing goes by position, and no text crashes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.facts import Facts
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.info import (
    errors_by_code,
    flavor,
    integer,
    keyspace,
    number,
    pairs,
    parse_info,
    replicas,
)

TEXTS = Path(__file__).parent / "redis_info"


def recorded(name: str) -> dict[str, str]:
    """One recording as it comes over the wire."""
    return parse_info((TEXTS / f"{name}.txt").read_bytes().replace(b"\n", b"\r\n"))


FLAVORS = {
    "redis-6.2": ("redis", "6.2.14"),
    "redis-7.0": ("redis", "7.0.15"),
    "redis-8": ("redis", "8.2.1"),
    "valkey-8.1": ("valkey", "8.1.8"),
    "valkey-9.1": ("valkey", "9.1.2"),
    "keydb-6.3": ("keydb", "6.3.4"),
    "dragonfly-1.36": ("dragonfly", "1.36.0"),
}


@pytest.mark.parametrize("name", FLAVORS)
def test_every_flavour_is_known_and_its_keys_are_counted(name: str) -> None:
    info = recorded(name)
    assert flavor(info) == FLAVORS[name]
    assert {database: (one["keys"], one["expires"]) for database, one in keyspace(info).items()} == {"db0": (100, 25), "db3": (1, 0)}
    assert integer(info, "maxmemory") == 104857600
    assert Facts(after=info).is_primary and not Facts(after=info).is_cluster
    [replica] = replicas(info)
    assert replica["ip"] == "192.0.2.11" and int(replica["lag"]) >= 0


def test_numbers_are_numbers_or_nothing() -> None:
    fields = parse_info("a:12\r\nb:-1\r\nc:1.5%\r\nd:nan\r\ne:inf\r\nf:\r\ng:1e400\r\nh:" + "9" * 5000 + "\r\n")
    assert [integer(fields, name) for name in "abcdefghz"] == [12, -1, 1, None, None, None, None, None, None]
    assert number(fields, "c") == 1.5


def test_unknown_sections_subfields_and_texts_are_tolerated() -> None:
    fields = parse_info("# Novel\r\nbrand_new:x:y:z\r\nno colon\r\n:none\r\ndb0:keys=3,novel=x,expires=1,=,a\r\ndbx:keys=9\r\n\r\n\r\n")
    assert fields["brand_new"] == "x:y:z"
    assert keyspace(fields) == {"db0": {"keys": 3, "expires": 1}}
    assert pairs("a=b=c") == {"a": "b=c"}


def test_a_counter_that_is_not_counted_has_not_stood_still() -> None:
    """Dragonfly says rejected_connections:-1."""
    same = {"rejected_connections": "-1"}
    assert Facts(before=same, after=same, between=1.0).delta("rejected_connections") is None


def test_a_counter_that_was_reset_has_grown_by_what_came_since() -> None:
    facts = Facts(before={"evicted_keys": "100"}, after={"evicted_keys": "4"}, between=2.0)
    assert facts.delta("evicted_keys") == 4
    assert facts.rate("evicted_keys") == 2.0


def test_errors_by_code() -> None:
    assert errors_by_code({"errorstat_OOM": "count=3", "errorstat_X": "rubbish", "total_error_replies": "3"}) == {"OOM": 3}
