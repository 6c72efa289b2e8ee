# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CI's order of work: what is concerned by a change, in which order, and what still fits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tools.suite.plan import DRILLS, TESTS, Subject, Unit, concerned, next_unit, ordered, slowness

REDIS = Subject(name="redis", paths=("roles/redis/", "plugins/modules/redis_"), units=("drill redis-recovery", "tests/integration/redis/"))


def unit(name: str, *, seconds: float = 10, lane: str = TESTS) -> Unit:
    return Unit(name=name, argv=("true",), seconds=seconds, lane=lane)


@pytest.mark.parametrize(
    ("name", "touched", "expected"),
    [
        ("tests/integration/redis/test_repair.py", ["roles/redis/tasks/verify.yml"], True),
        ("drill redis-recovery", ["plugins/modules/redis_repair.py"], True),
        ("tests/integration/pg", ["roles/redis/tasks/verify.yml"], False),
        # Its own files, whatever the subjects say.
        ("tests/integration/pg", ["tests/integration/pg/test_signals.py"], True),
        ("tests/integration/pg", ["tests/integration/pgbouncer/test_signals.py"], False),
        ("tests/integration/test_demo.py", ["tests/integration/test_demo.py"], True),
        ("drill disk-full", ["molecule/disk-full/prepare.yml"], True),
        ("drill disk", ["molecule/disk-full/prepare.yml"], False),
        ("drill disk-full-more", ["molecule/disk-full/prepare.yml"], True),
        ("drill disk-full", ["molecule/disk-full-more/prepare.yml"], False),
        ("drill disk-full", [], False),
        # Parts of the matrix are drawn by the hash alone.
        ("Python 3.12: tests/integration/redis/test_repair.py", ["roles/redis/tasks/verify.yml"], False),
    ],
)
def test_concerned(name: str, touched: list[str], expected: bool) -> None:
    assert concerned(name, touched=touched, subjects=[REDIS]) is expected


def names(units: Iterable[Unit]) -> list[str]:
    return [one.name for one in units]


def test_concerned_units_come_first_and_the_rest_is_drawn_anew_with_every_commit() -> None:
    units = [unit(f"tests/integration/u{number}") for number in range(20)] + [unit("drill redis-recovery", lane=DRILLS)]
    orders = [
        names(ordered(units, touched=["roles/redis/x.yml"], subjects=[REDIS], commit=commit)) for commit in ("a1", "b2", "a1")
    ]
    assert all(order[0] == "drill redis-recovery" and sorted(order) == sorted(names(units)) for order in orders)
    assert orders[0] == orders[2] != orders[1]


def test_every_unit_gets_its_turn_over_a_few_commits() -> None:
    units = [unit(f"tests/integration/u{number}") for number in range(30)]
    first_thirds = [set(names(ordered(units, touched=[], subjects=[], commit=str(commit)))[:10]) for commit in range(25)]
    assert set().union(*first_thirds) == set(names(units))


def test_nothing_starts_that_would_not_end_in_time() -> None:
    waiting = [unit("long", seconds=100), unit("drill", seconds=5, lane=DRILLS), unit("short", seconds=20)]

    def chosen(now: float, *, factor: float = 1.0, deadline: float | None = 200) -> str | None:
        found = next_unit(waiting, lane=TESTS, now=now, deadline=deadline, slowness=factor)
        return found.name if found else None

    assert chosen(100) == "long"
    assert chosen(101) == "short"
    assert chosen(181) is None
    assert chosen(100, factor=1.5) == "short"
    assert chosen(100, factor=6) is None
    assert chosen(10_000, deadline=None) == "long"
    assert next_unit(waiting, lane=DRILLS, now=0, deadline=200, slowness=1) == waiting[1]


def test_a_slow_machine_is_noticed_and_a_fast_one_is_not_trusted() -> None:
    assert slowness([]) == 1
    assert slowness([(100, 150), (100, 250)]) == 2
    assert slowness([(100, 20)]) == 1
    assert slowness([(0, 50)]) == 1
