# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking until checks hold, with the test's clock."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.watch import run, troubled
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput

WAIT: t.Mapping[str, t.Any] = {"checks": ["expired"], "hold": "5s", "timeout": "60s", "interval": "1s"}


class World:
    """A clock that each look and each sleep moves on, and what the looks see one after the other; the last for ever."""

    def __init__(self, *statuses: str, takes: float = 1.0) -> None:
        self.statuses, self.takes, self.now, self.given = list(statuses), takes, 0.0, []

    def look(self, seconds: float | None) -> dict[str, t.Any]:
        self.given.append(seconds)
        self.now += min(self.takes, seconds if seconds is not None else self.takes)
        return {"checks": {"expired": self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0], "expiring": "warning"}}

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, **more: t.Any) -> dict[str, t.Any]:
        wait_for = {**WAIT, **more.pop("wait", {})} if more.pop("waits", True) else None
        return run(self.look, wait_for=wait_for, baseline=more.get("baseline"), clock=lambda: self.now, sleep=self.sleep)


def test_one_look() -> None:
    world = World("critical")
    result = world.run(waits=False, baseline={"expired": "ok", "expiring": "warning"})
    assert world.given == [None] and result["new"] == {"expired": "critical"} and result["remaining"] == {"expiring": "warning"}


def test_it_holds_after_a_while_and_what_is_not_waited_for_remains() -> None:
    result = World("critical", "critical", "ok").run(baseline={"expired": "critical"})
    assert result["held"] is True and result["polls"] >= 5 and result["remaining"] == {"expiring": "warning"} and result["new"] == {}
    assert [one["checks"]["expired"] for one in result["history"]] == ["critical", "ok"]


def test_it_never_holds_and_the_wait_is_bounded_however_long_a_look_takes() -> None:
    world = World("ok", "critical", "ok", "critical", takes=500)
    result = world.run()
    assert result["held"] is False and world.now <= 61 and all(given is not None and given <= 60 for given in world.given)
    assert troubled({"checks": {"expired": "critical"}}, WAIT) == {"expired": "critical"}


def test_no_hold_needs_one_good_look() -> None:
    assert World("ok").run(wait={"hold": "0s"})["polls"] == 1


@pytest.mark.parametrize("wait", [{"checks": []}, {"hold": "2m"}, {"interval": "often"}])
def test_waits_of_no_use(wait: dict[str, t.Any]) -> None:
    with pytest.raises(BadInput):
        World("ok").run(wait=wait)
