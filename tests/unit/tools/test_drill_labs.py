# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drills that have the same hosts: which, and that only one of them is up at a time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tools import drill, drill_rig

SHARED = ("redis-recovery", "redis-recovery-more")


class Running:
    """An engine that has an image, and the hosts of one scenario; anything else would be a mistake."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario

    def has_image(self, _name: str) -> bool:
        return True

    def containers(self, scenario: str) -> list[str]:
        return ["a container"] if scenario == self._scenario else []


def test_a_linked_inventory_is_the_same_lab() -> None:
    assert drill_rig.sharing(SHARED[1]) == [SHARED[0]] and drill_rig.sharing(SHARED[0]) == [SHARED[1]]
    assert drill_rig.sharing("disk-full") == []
    first, more = (drill_rig.hosts(name) for name in SHARED)
    assert [host.address for host in first] == [host.address for host in more]
    assert not {host.container for host in first} & {host.container for host in more}


@pytest.mark.parametrize(("up", "running"), [([SHARED[1]], SHARED[0]), ([SHARED[0]], SHARED[1]), (list(SHARED), "")])
def test_hosts_are_not_started_while_another_drill_has_them(up: list[str], running: str) -> None:
    with pytest.raises(drill_rig.RigFailed, match=r"so one is up at a time: python tools/drill_rig\.py down redis-recovery"):
        drill_rig.up(cast("Any", Running(running)), up)


def test_drills_with_the_same_hosts_take_turns() -> None:
    labs = drill.Labs([*SHARED, "disk-full"])
    assert labs.of(SHARED[0]) is labs.of(SHARED[1])
    assert labs.of(SHARED[0]) is not labs.of("disk-full")
