# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/teams.md answers each row of the five guides once, and each yes is proven by a test or drill that is there."""

from __future__ import annotations

import configparser
import shlex

import pytest

from tools import teams_page
from tools.teams_page import PARTS, ROOT, TEAMS, Row

FOUND = teams_page.rows(teams_page.PAGE.read_text(encoding="utf-8"))
#: Rows that ask something of software.
ASKED = 421


def row(answer: str) -> Row:
    return Row("M-001", "1", "declare", "something", answer)


def test_every_row_of_the_guides_is_there() -> None:
    for letter, count in TEAMS.values():
        assert [one.id for one in FOUND if one.id.startswith(letter)] == [f"{letter}-{number:03d}" for number in range(1, count + 1)]
    assert len(FOUND) == sum(count for _, count in TEAMS.values())
    assert sum(one.kinds != ["people"] for one in FOUND) == ASKED


def test_every_row_has_one_answer() -> None:
    assert [(one.id, one.answer) for one in FOUND if len(one.kinds) != 1 or not (one.topic and one.asks)] == []
    assert [(one.id, one.part) for one in FOUND if one.part and one.part not in PARTS] == []


def test_every_yes_names_what_proves_it() -> None:
    assert [(one.id, missing) for one in FOUND for missing in teams_page.unproven(one)] == []


def test_the_counts_are_up_to_date() -> None:
    text = teams_page.PAGE.read_text(encoding="utf-8")
    assert teams_page.counted(text) == text, "run python -m tools.teams_page"


@pytest.mark.parametrize(("answer", "missing"), [
    ("yes: `contract/test_teams.py::test_every_row_has_one_answer`, drill `disk-full` round `full`", []),
    ("yes: `contract/test_teams.py::test_nothing`", ["contract/test_teams.py::test_nothing"]),
    ("yes: `contract/nowhere.py::test_x`", ["contract/nowhere.py::test_x"]),
    ("yes: drill `disk-full` round `nowhere`", ["drill disk-full nowhere"]),
    ("yes: drill `nowhere`", ["drill nowhere"]),
    ("yes: it works", ["it works"]),
    ("waits: services", []),
])
def test_a_proof_that_is_not_there_is_found(answer: str, missing: list[str]) -> None:
    assert teams_page.unproven(row(answer)) == missing


@pytest.mark.parametrize("answer", ["", "yes", "yes:", "maybe", "no", "no, because ", "waits: ", "partly"])
def test_what_is_no_answer_is_found(answer: str) -> None:
    assert row(answer).kinds == []


def test_a_row_that_cannot_be_read_is_no_less_row() -> None:
    with pytest.raises(ValueError, match="not a row of five cells"):
        teams_page.rows("| M-001 | 1 | declare | a | or b | yes: `x.py::test_y` |")


@pytest.mark.parametrize("name", ["monthly", "quarterly", "yearly"])
def test_a_timer_starts_a_drill(name: str) -> None:
    """The units that the page of drills offers: which says when, and what it starts is a drill by the instance's name."""
    def unit(file: str) -> configparser.ConfigParser:
        read = configparser.ConfigParser(strict=False, interpolation=None)
        read.read(ROOT / "docs" / "drills" / file)
        return read

    timer, service = unit(f"incident-drill-{name}@.timer"), unit("incident-drill@.service")
    assert timer["Timer"]["OnCalendar"] and timer["Timer"]["Unit"] == "incident-drill@%i.service"
    words = shlex.split(service["Service"]["ExecStart"])
    assert words[words.index("drill") + 1] == "%i"
