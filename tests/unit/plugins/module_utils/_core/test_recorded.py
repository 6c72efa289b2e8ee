# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision was made from, in a result: as JSON, and bounded."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import json
import re
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.recorded import MOST_BYTES, VERSION, Basis, Parts, plain


@dataclasses.dataclass(frozen=True)
class Jar:
    name: str
    full: bool = False
    inside: tuple[str, ...] = ()
    lids: dict[str, int] = dataclasses.field(default_factory=dict)
    label: bytes = dataclasses.field(default=b"", repr=False)


@pytest.mark.parametrize(("value", "expected"), [
    (Jar("a", label=b"x"), {"name": "a"}), (Jar("a", True, ("b",)), {"name": "a", "full": True, "inside": ["b"]}),
    (float("inf"), "inf"), ({1: "a"}, [[1, "a"]]),
    (Jar("a", lids={"b": 1}), {"name": "a", "lids": {"b": 1}}),
    (re.compile("a|b", re.IGNORECASE), "a|b"), (frozenset(("b", "a")), ["a", "b"]), (b"\x01\xff", "01ff"),
    (ipaddress.ip_network("192.0.2.0/24"), "192.0.2.0/24"),
    (datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), "2026-01-02T00:00:00+00:00"),  # noqa: UP017
])
def test_as_json(value: Any, expected: Any) -> None:
    assert plain(value) == expected and json.loads(json.dumps(plain(value))) == expected


def test_what_fits_is_complete() -> None:
    assert Basis("shelf", {"jars": [Jar("a")], "most": 3}).as_reading(approved=["x"]) == {
        "version": VERSION, "of": "shelf", "given": {"jars": [{"name": "a"}], "most": 3}, "complete": True, "left_out": {},
        "approved": ["x"],
    }


@pytest.mark.parametrize("large", [
    {f"192.0.2.{number}": "a" * 100 for number in range(2000)}, dict.fromkeys(range(2000), "a" * 100),
    Jar("a", inside=("b",) * 20_000), [{"deep": [Jar("a" * 100)] * 2000}], "a" * 100_000, frozenset(range(20_000)),
])
def test_whatever_is_too_large_is_read_no_further_than_that(large: Any) -> None:
    reading = Basis("shelf", {"jars": large, "most": 3}).as_reading(approved=None)
    assert reading["given"] == {"most": 3} and list(reading["left_out"]) == ["jars"] and not reading["complete"]
    assert len(json.dumps(reading)) <= MOST_BYTES


def test_what_is_too_large_is_not_looked_through() -> None:
    seen = []

    class Watched(dict[str, Any]):
        def items(self) -> Any:
            for number in range(1_000_000):
                seen.append(number)
                yield f"k{number}", "a" * 100

    Basis("shelf", {"jars": Watched(a=1)}).as_reading()
    assert len(seen) < 1000
    labels = Parts(range(1_000_000), lambda number: seen.append(number) or "a" * 100)
    assert Basis("shelf", {"jars": labels}).as_reading()["left_out"] == {"jars": 1_000_000} and len(seen) < 2000
    assert plain(Parts([1, 2], str)) == ["1", "2"]


def test_what_the_engine_decided_by_is_bounded_too() -> None:
    ids = [f"{number:032x}" for number in range(5000)]
    reading = Basis("shelf", {"jars": [], "most": 3}).as_reading(approved=ids)
    assert "approved" not in reading and (reading["complete"], reading["left_out"]) == (False, {"approved": 5000})
    reading = Basis("shelf", {"jars": ["a" * 100] * 400, "most": 3}).as_reading(approved=ids[:1000])
    assert len(reading["left_out"]) == 1 and len(json.dumps(reading)) <= MOST_BYTES


def test_what_could_not_be_told_makes_it_incomplete() -> None:
    reading = Basis("shelf", {"most": 3}, left_out={"labels": 2}).as_reading()
    assert (reading["complete"], reading["left_out"]) == (False, {"labels": 2})


def test_what_is_too_large_is_left_out_and_named() -> None:
    reading = Basis("shelf", {"jars": [Jar("a" * 100)] * 2000, "most": 3}).as_reading()
    assert (reading["complete"], reading["left_out"], reading["given"]) == (False, {"jars": 2000}, {"most": 3})
    assert len(json.dumps(reading)) < MOST_BYTES
