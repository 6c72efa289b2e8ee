# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Severity policies: the five systems' own numbers, and what a policy may not say."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from oncall_incident.errors import Stop
from oncall_incident.evidence import policy

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NEXT = policy.NEXT_BUSINESS_DAY
LEVEL = {"name": "P1"}


@pytest.mark.parametrize(("name", "responses", "updates"), [
    ("matrixon", [15 * MINUTE, HOUR, 4 * HOUR, DAY], [None] * 4),
    ("chitlaq", [15 * MINUTE, HOUR, 4 * HOUR, DAY], [15 * MINUTE, 30 * MINUTE, HOUR, HOUR]),
    ("reconciliation", [15 * MINUTE, HOUR, 4 * HOUR, NEXT], [30 * MINUTE, 30 * MINUTE, 30 * MINUTE, None]),
    ("prism-dns", [15 * MINUTE, 30 * MINUTE, 2 * HOUR, NEXT], [15 * MINUTE, 15 * MINUTE, None, None]),
    ("servio", [5 * MINUTE, 30 * MINUTE, 4 * HOUR, NEXT], [30 * MINUTE, 30 * MINUTE, None, None]),
])
def test_the_five_systems(name: str, responses: list[Any], updates: list[Any]) -> None:
    found = policy.load(name)
    assert found.name == name and found.source
    assert [level.response for level in found.levels] == responses
    assert [level.update_every for level in found.levels] == updates


def test_targets_of_the_guides_that_have_them() -> None:
    assert [level.resolution for level in policy.load("chitlaq").levels] == [HOUR, 4 * HOUR, DAY, 7 * DAY]
    levels = policy.load("prism-dns").levels
    assert [level.resolution for level in levels] == [2 * HOUR, 4 * HOUR, DAY, None]
    assert [level.communication for level in levels] == [30 * MINUTE, HOUR, 4 * HOUR, None]
    assert [step.to for step in policy.load("chitlaq").levels[0].escalation] == ["Incident Commander", "Technical Lead", "CTO", "CEO"]


def test_every_policy_of_ours_is_whole() -> None:
    names = [path.stem for path in policy.POLICIES.glob("*.yml")]
    assert set(names) == {"default", "matrixon", "chitlaq", "reconciliation", "prism-dns", "servio"}
    for name in names:
        again = policy.parse(policy.load(name).data, source=name)
        assert again.levels == policy.load(name).levels


@pytest.mark.parametrize("given", ["p0", "P0", "critical", "0"])
def test_a_level_is_found_by_name_and_alias(given: str) -> None:
    assert policy.load("chitlaq").require(given).name == "P0"


def test_a_level_that_is_not_there_is_named() -> None:
    with pytest.raises(Stop, match="policy chitlaq has no such level") as stopped:
        policy.load("chitlaq").require("P5")
    assert "P0, P1, P2, P3" in stopped.value.hint


@pytest.mark.parametrize(("name", "expected"), [
    ("matrixon", "incident-20260102-030405"), ("chitlaq", "incident-2026-01-02-0304-p0"), ("servio", "incident-20260102-logins-hang-here"),
    ("default", "incident-20260102-030405"),
])
def test_the_channels_name(name: str, expected: str) -> None:
    found, at = policy.load(name), datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert found.channel_name(incident="INC-1", severity=found.levels[0].name, title="Logins hang: <here>", at=at) == expected


@pytest.mark.parametrize(("since", "expected"), [
    ("2026-11-23T09:00:00+00:00", "2026-11-24T17:00:00+00:00"),  # Monday: Tuesday
    ("2026-11-27T23:00:00+00:00", "2026-11-30T17:00:00+00:00"),  # Friday night: Monday
    ("2026-11-28T09:00:00+00:00", "2026-11-30T17:00:00+00:00"),  # Saturday: Monday
])
def test_the_next_business_day(since: str, expected: str) -> None:
    found = policy.load("servio")
    due = found.due(NEXT, since=datetime.datetime.fromisoformat(since))
    assert due == datetime.datetime.fromisoformat(expected)


def test_the_next_business_day_is_the_teams() -> None:
    found = policy.parse(
        {"name": "x", "levels": [LEVEL], "business": {"timezone": "Europe/Berlin", "days": ["sun", "mon"], "end": "16:30"}}, source="x",
    )
    due = found.due(NEXT, since=datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC))
    assert due == datetime.datetime(2026, 11, 29, 15, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(("data", "words"), [
    ([], "is not a mapping"), ({"levels": [LEVEL]}, "name is missing"), ({"name": "x"}, "levels is missing"),
    ({"name": "x", "levels": {}}, "levels is missing|levels is not a list"), ({"name": "x", "levels": "P1"}, "levels is not a list"),
    ({"name": "x", "levels": [LEVEL], "lvels": 1}, "'lvels' is not known"),
    ({"name": "x", "levels": [LEVEL], "schema": "other/2"}, "schema is"),
    ({"name": "x", "levels": [{"name": "P1", "respnse": "5m"}]}, r"levels\[0\]: 'respnse' is not known"),
    ({"name": "x", "levels": [{"name": "P1", "response": "soon"}]}, r"levels\[0\].response: 'soon' is not a duration"),
    ({"name": "x", "levels": [{"name": "P1", "response": 0}]}, "not a duration"),
    ({"name": "x", "levels": [LEVEL, {"name": "p1"}]}, "is there twice"),
    ({"name": "x", "levels": [{"name": "P1", "escalation": [{"to": "ann"}]}]}, "after is missing"),
    ({"name": "x", "levels": [{"name": "P1", "escalation": [{"after": "1h", "to": "a"}, {"after": "5m", "to": "b"}]}]}, "not in order"),
    ({"name": "x", "levels": [{"name": "P1", "escalation": [{"after": 0, "to": "a", "unless": "asleep"}]}]}, "unless: 'asleep'"),
    ({"name": "x", "levels": [None]}, r"levels\[0\] is not a mapping"),
    ({"name": "x", "levels": [LEVEL], 7: 8}, "the file: '7' is not known"),
    ({"name": "x", "levels": [{"name": "P1", "aliases": "one"}]}, r"levels\[0\].aliases is not a list"),
    ({"name": "x", "levels": [LEVEL, {"name": "P2", "escalation": [{"after": 0, "to": "a"}, {"after": "1h", "too": "b"}]}]},
     r"levels\[1\].escalation\[1\]: 'too' is not known"),
    ({"name": "x", "levels": [LEVEL], "business": "UTC"}, "business is not a mapping"),
    ({"name": "x", "levels": [LEVEL], "business": {"day": ["mon"]}}, "business: 'day' is not known"),
    ({"name": "x", "levels": [LEVEL], "default": "P7"}, "default: there is no level 'P7'"),
    ({"name": "x", "levels": [LEVEL], "alerts": {"critical": "P7"}}, "alerts.critical"),
    ({"name": "x", "levels": [LEVEL], "channel": "inc-{nope}"}, "{nope} is not known"),
    ({"name": "x", "levels": [LEVEL], "channel": "inc-{day"}, "brace"),
    ({"name": "x", "levels": [LEVEL], "business": {"timezone": "Mars/Base"}}, "business.timezone"),
    ({"name": "x", "levels": [LEVEL], "business": {"days": []}}, "business.days"),
    ({"name": "x", "levels": [LEVEL], "business": {"end": "late"}}, "business.end"),
])
def test_a_policy_that_does_not_fit_is_refused_by_name(data: Any, words: str) -> None:
    with pytest.raises(Stop, match=words) as stopped:
        policy.parse(data, source="mine.yml")
    assert stopped.value.message.startswith("Policy mine.yml: ") and stopped.value.hint


def test_a_key_without_a_value_is_as_if_it_were_not_there() -> None:
    empty = {"title": None, "aliases": None, "response": None, "escalation": [{"after": 0, "to": "ann", "by": None, "unless": None}]}
    business = {"timezone": None, "days": None, "end": None}
    data = {"name": "x", "description": None, "levels": [{**LEVEL, **empty}], "business": business, "alerts": None}
    found = policy.parse(data, source="x")
    plain = policy.parse({"name": "x", "levels": [{**LEVEL, "escalation": [{"after": 0, "to": "ann"}]}]}, source="x")
    assert (found.levels, found.description, found.timezone, found.days, found.end) == (
        plain.levels, plain.description, plain.timezone, plain.days, plain.end)


def test_a_policy_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text(yaml.safe_dump({"name": "own", "levels": [{"name": "Bad", "response": "10m"}]}))
    assert policy.load(str(path)).default == "Bad"
    path.write_text("levels: [")
    with pytest.raises(Stop, match="is not YAML"):
        policy.load(str(path))
    with pytest.raises(Stop, match="No such file"):
        policy.load(str(tmp_path / "none.yml"))
