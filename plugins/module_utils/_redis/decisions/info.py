# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFO text by field name.

The order of sections and fields, their number, and the sub-fields of lines such as `db0:` differ between Redis 6, 7, 8, Valkey, KeyDB
and Dragonfly and grow with every release. Nothing here goes by position; what is unknown is kept and never an error.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import math
import re
import typing as t

_NUMBER = re.compile(r"-?\d{1,19}\Z")
_FRACTION = re.compile(r"-?\d{1,19}(\.\d{1,30})?(e[+-]?\d{1,3})?\Z", re.IGNORECASE)
_DATABASE = re.compile(r"db\d{1,9}\Z")
_REPLICA = re.compile(r"slave\d{1,9}\Z")
#: A server says its own text; a line or a text longer than this was not written by one.
MAX_TEXT = 4 * 1024 * 1024


def parse_info(text: t.Union[str, bytes]) -> dict[str, str]:
    """INFO's text as a dictionary by field name; sections are dropped, of a field that comes twice the last counts."""
    said = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    fields: dict[str, str] = {}
    for line in said[:MAX_TEXT].split("\n"):
        name, colon, value = line.strip("\r ").partition(":")
        if colon and name and not name.startswith("#"):
            fields[name] = value
    return fields


def integer(fields: t.Mapping[str, str], name: str) -> t.Optional[int]:
    """A field as a whole number; None when it is missing or none. A fraction is cut."""
    value = fields.get(name, "").strip()
    if _NUMBER.match(value):
        return int(value)
    found = number(fields, name)
    return None if found is None else int(found)


def number(fields: t.Mapping[str, str], name: str) -> t.Optional[float]:
    """A field as a number, with or without a percent sign; None when it is missing or none (`nan`, `inf`)."""
    value = fields.get(name, "").strip().rstrip("%")
    if not _FRACTION.match(value):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def pairs(value: str) -> dict[str, str]:
    """A value such as `keys=1,expires=0,avg_ttl=0` by name; parts that are not a pair are dropped."""
    split = (part.partition("=") for part in value.split(","))
    return {name.strip(): found.strip() for name, equals, found in split if equals and name.strip()}


def keyspace(fields: t.Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Keys by database, whatever sub-fields the server adds: `keys` and `expires`, and those that are whole numbers besides."""
    found: dict[str, dict[str, int]] = {}
    for name, value in fields.items():
        if _DATABASE.match(name):
            counts = {key: int(count) for key, count in pairs(value).items() if _NUMBER.match(count)}
            found[name] = {"keys": 0, "expires": 0, **counts}
    return found


def replicas(fields: t.Mapping[str, str]) -> list[dict[str, str]]:
    """The replicas that a primary names, each by field name (`ip`, `port`, `state`, `offset`, `lag`, ...)."""
    return [pairs(fields[name]) for name in sorted(fields, key=_replica_order) if _REPLICA.match(name) and pairs(fields[name])]


def errors_by_code(fields: t.Mapping[str, str]) -> dict[str, int]:
    """How often each error was answered since the start (Redis 6.2 and later): `errorstat_OOM:count=3`."""
    found = {}
    for name, value in fields.items():
        count = pairs(value).get("count", "") if name.startswith("errorstat_") else ""
        if _NUMBER.match(count):
            found[name[len("errorstat_"):]] = int(count)
    return found


def flavor(fields: t.Mapping[str, str]) -> tuple[str, str]:
    """Which server this is and its version: redis, valkey, keydb or dragonfly; `unknown` without a version.

    Valkey still says redis_version 7.2.4 for old clients, and its own as valkey_version; Dragonfly says both too. KeyDB names itself
    only in the path of its program; mvcc_depth is a field of its own.
    """
    if fields.get("dragonfly_version"):
        return "dragonfly", fields["dragonfly_version"].rpartition("v")[2]
    if fields.get("valkey_version") or fields.get("server_name") == "valkey":
        return "valkey", fields.get("valkey_version", "")
    if "mvcc_depth" in fields or fields.get("executable", "").endswith("keydb-server"):
        return "keydb", fields.get("redis_version", "")
    return ("redis", fields["redis_version"]) if fields.get("redis_version") else ("unknown", "")


def _replica_order(name: str) -> tuple[int, str]:
    return len(name), name
