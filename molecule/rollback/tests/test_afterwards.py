# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the good release runs, it was noted again, and the bad one is there for whoever looks at it."""

from __future__ import annotations

import json

from tests.support.drilled import Lab

LAB = Lab(__file__)


def test_the_good_release_runs() -> None:
    said = LAB.said("app1", "curl --silent --max-time 5 --write-out ' %{http_code}' http://localhost:8080/health").split()
    assert said == ["well", "200"]
    assert LAB.said("app1", "readlink /srv/shop/current") == "releases/v1\n"


def test_it_was_noted_by_the_run_that_measured_it() -> None:
    noted = json.loads(LAB.said("app1", "cat /var/lib/oncall-incident/releases.json"))["/srv/shop/current"]
    assert set(noted) == {"v1"} and noted["v1"]["run"]


def test_the_bad_release_is_there() -> None:
    assert LAB.said("app1", "cat /srv/shop/releases/v2/health") == "no such column\n"


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
