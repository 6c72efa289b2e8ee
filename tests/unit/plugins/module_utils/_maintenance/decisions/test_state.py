# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What maintenance must look like from outside, and whose it is."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.decisions import notes
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.decisions.notes import Note
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.decisions.state import (
    BYPASS,
    HEALTH,
    PUBLIC,
    SWITCH,
    Heard,
    decide,
)

NOW = 1_800_000_000.0
FLAG = "/srv/shop/on"
ON = Note(FLAG, True, mark="abc", run="7", who="ann", since="2027-01-15T06:30:00Z", until="2027-01-15T07:30:00Z")
ABSENT = Note(FLAG)
SHUT, SERVED = Heard(PUBLIC, "shop", (200,), 503, "600"), Heard(PUBLIC, "shop", (200,), 200)


def status(check: str, note: Note, *heard: Heard, wanted: str = "on", api: bool = False) -> str:
    found = decide(note, heard, wanted=wanted, api=api, now=NOW).verdict
    return str(found.statuses()[check])


@pytest.mark.parametrize(("heard", "wanted", "expected"), [
    (SHUT, "on", "ok"), (dataclasses.replace(SHUT, retry_after=""), "on", "warning"), (SERVED, "on", "critical"),
    (dataclasses.replace(SERVED, status=502), "on", "critical"), (SHUT, "off", "critical"), (SERVED, "off", "ok"),
    (dataclasses.replace(SERVED, problem="it is empty"), "off", "critical"),
    (dataclasses.replace(SERVED, status=None, problem="refused"), "on", "unknown"),
])
def test_what_users_see(heard: Heard, wanted: str, expected: str) -> None:
    assert status(PUBLIC, ON, heard, wanted=wanted) == expected


@pytest.mark.parametrize(("before", "now", "expected"), [
    ({}, 200, "ok"), ({}, 503, "critical"), ({"health": 500}, 500, "ok"), ({"health": 500}, 200, "ok"), ({"health": 500}, 503, "critical"),
])
def test_the_health_url_stays_as_it_was(before: dict[str, int], now: int, expected: str) -> None:
    assert status(HEALTH, dataclasses.replace(ON, statuses=before), SHUT, Heard(HEALTH, "health", (200,), now)) == expected


def test_operators_look_behind_it() -> None:
    assert status(BYPASS, ON, SHUT, Heard(BYPASS, "ops", (200,), 200)) == "ok"
    assert status(BYPASS, ON, SHUT, Heard(BYPASS, "ops", (200,), 503, "600")) == "critical"


@pytest.mark.parametrize(("note", "wanted", "expected"), [
    (ON, "on", "critical"), (dataclasses.replace(ON, until=""), "on", "ok"),
    (dataclasses.replace(ON, until="2037-01-15T09:00:00Z"), "on", "ok"),
    (dataclasses.replace(ON, until=""), "as_is", "warning"), (ON, "off", "critical"), (ABSENT, "off", "ok"), (ABSENT, "on", "critical"),
    (ABSENT, "as_is", "ok"), (Note(FLAG, None, problem="denied"), "off", "unknown"),
])
def test_the_switch(note: Note, wanted: str, expected: str) -> None:
    assert status(SWITCH, note, SHUT, wanted=wanted) == expected, "the first one was to end before now"


def test_of_an_api_what_users_see_decides() -> None:
    assert decide(ABSENT, [SHUT], wanted="as_is", api=True, now=NOW).more["on"] is True
    assert decide(ON, [SERVED], wanted="as_is", api=True, now=NOW).more["on"] is False
    assert decide(ON, [dataclasses.replace(SERVED, status=None)], wanted="as_is", api=True, now=NOW).more["on"] is None


@pytest.mark.parametrize("text", ["", "deploy\n", "oncall.incident maintenance \n{}", "oncall.incident maintenance a b\n{}"])
def test_what_others_have_made_is_nobodys_of_ours(text: str) -> None:
    found = notes.read(FLAG, text, owner="bob", changed=NOW)
    assert (found.there, found.mark, found.who) == (True, "", "bob") and "made by hand by bob" in found.said(NOW)


@pytest.mark.parametrize("rest", ["", "no json", "[]", '{"statuses": 3, "change": 4}'])
def test_one_of_ours_that_is_broken_is_still_ours(rest: str) -> None:
    found = notes.read(FLAG, f"{notes.first_line('abc')}\n{rest}", owner="root", changed=NOW)
    assert (found.mark, found.statuses, found.change) == ("abc", {}, {})


def test_what_is_written_is_read() -> None:
    change: dict[str, t.Any] = {"id": "x", "temporary": {"lasts": 60}}
    text = notes.write("abc", run="7", who="ann", since=NOW, lasts=60, statuses={"health": 200}, change=change)
    found = notes.read(FLAG, text, owner="root", changed=0)
    assert (found.mark, found.run, found.who, found.statuses) == ("abc", "7", "ann", {"health": 200})
    assert found.until == found.change["temporary"]["expires"] and not found.late(NOW) and found.late(NOW + 61)
