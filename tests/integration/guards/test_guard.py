# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input is an error before anything is looked at, and all of it is named. One process: a play for each case, at its end the scenario.

What others call our variables: playbooks/test_names_and_places.py. What the wrapper makes of an error: playbooks/test_wrapper.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.site import ROOT, Ended, Site

MISSPELT = "postgres_max_victim is unknown; did you mean postgres_max_victims?"
NO_NUMBER = "argument 'postgres_max_victims' is of type str and we were unable to convert to int: \"'ten'\" cannot be converted to an int"
LIMIT = "all:!other1"
GROUPS = "The inventory's groups are: app, db, needing, others, wrong. Name the hosts with -e incident_db=PATTERN."


@dataclass(frozen=True)
class Case:
    """What a guard is given, and the problems that it names.

    Attributes:
        pattern: the subject's hosts.
        play: the hosts of the play. The variables of the first one are the task's.
        given: variables of the play.
        needs: variables that each host must have.
    """

    problems: list[str]
    pattern: str = "db"
    play: str = "all"
    given: Mapping[str, Any] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def book(self, name: str) -> dict[str, Any]:
        """Its play."""
        subject = {"variable": "incident_db", "hosts": self.pattern, "role": "postgres", "needs": list(self.needs)}
        guard = {"subjects": [subject], "ignore": list(self.ignore)}
        tasks = [{"oncall.incident.guard": guard, "run_once": True, "ignore_errors": True}]
        return {"name": name, "hosts": self.play, "gather_facts": False, "vars": dict(self.given), "tasks": tasks}


def nobody(pattern: str) -> str:
    """What is said of a pattern without hosts."""
    return f"No host matches incident_db={pattern} within --limit {LIMIT}. {GROUPS}"


#: One wrong input is enough.
CASES = {
    "nothing is wrong": Case([]),
    "a misspelt name": Case([MISSPELT], given={"postgres_max_victim": 3}),
    "a wrong value": Case([f"{NO_NUMBER} (ten)."], pattern="ten"),
    "numbers out of range": Case([
        "postgres_login_port: 65536 is out of range. Allowed: 1 to 65535 (ranges).",
        "postgres_max_victims: -1 is out of range. Allowed: 0 or more (ranges).",
    ], pattern="ranges"),
    "no such group": Case([nobody("nowhere")], pattern="nowhere"),
    "nobody in both groups": Case([nobody("db:&app")], pattern="db:&app"),
    "a limit that leaves no database": Case([nobody("others")], pattern="others"),
    "a misspelt name of the inventory, other people's are left alone": Case(
        ["postgres_loginuser (typing) is unknown; did you mean postgres_login_user?"], pattern="typing"),
    "a misspelt name that is to be ignored": Case([], pattern="typing", ignore=("postgres_loginuser",)),
    "one of two variables is enough": Case(
        [], pattern="typing", ignore=("postgres_loginuser",), needs=("postgres_dump or postgres_backup_dir",)),
    "neither of two variables": Case(
        ["postgres_slot or postgres_slots (db1) is not given: set it in the inventory or with -e postgres_slots=VALUE."],
        needs=("postgres_slot or postgres_slots",)),
    "a pattern where plays cannot see it": Case(
        ["incident_db is set in the inventory, where plays cannot see it: give it with -e."], play="hidden,db1"),
}
#: Of the scenario itself: names by the play, values by the inventory.
NAMES = {"postgres_max_victim": 3, "service_nam": "x", "incident_aproved_plan": "/x"}
VALUES = {"postgres_verify_hold": "soon", "postgres_strategy": "kill", "postgres_max_victims": "ten"}
OUT_OF_RANGE = {"postgres_max_victims": -1, "postgres_login_port": 65536}


#: The head of a playbook whose needs are looked for, and what is said of those that are missing.
HEAD = """\
# needs: library no_such_library >= 2 (controller, if postgres_via=controller): pip install no-such-library
# needs: library yaml (controller): not told, since it is here
# needs: library psycopg >= 99 (controller): pip install 'psycopg>=99'
# needs: collection example.no_such >= 1 (controller): ansible-galaxy collection install example.no_such
# needs: collection oncall.incident >= 99 (controller): ansible-galaxy collection install oncall.incident
# needs: program no-such-program (host): apt install no-such-program
# needs: program {postgres_kubectl_command} (controller, if postgres_via=kubernetes): https://example.org/kubectl
# needs: program sh (host): not told, since it is here
"""
MISSING = [
    "The library no_such_library 2 or newer is missing here, on the controller (needed for near, with postgres_via=controller). To install",
    "To install it: pip install 'psycopg>=99'",
    "The collection example.no_such 1 or newer is missing here",
    "The collection oncall.incident 99 or newer is 0.1.0 here",
    "The program no-such-program is missing here, on the controller (needed for near). To install it: apt install no-such-program",
    "The program no-such-kubectl is missing here, on the controller (needed for far, with postgres_via=kubernetes)",
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The run."""
    site = Site(tmp_path_factory.mktemp("guard"))
    site.group("db", db1={})
    site.group("app", app1={})
    site.group("others", other1={})
    others = {"postgres_version": 15, "postgres_backup_dir": "/x", "service_owner": "a", "incident_channel": "#x"}
    site.group("wrong", ten={"postgres_max_victims": "ten"}, ranges=OUT_OF_RANGE, typing={**others, "postgres_loginuser": "x"},
               hidden={"incident_db": "db"}, all_of_it=VALUES)
    site.group("needing", near={"postgres_via": "controller"},
               far={"ansible_connection": "ssh", "postgres_via": "kubernetes", "postgres_kubectl_command": ["no-such-kubectl", "-v"]})
    scenario = {
        "ansible.builtin.import_playbook": str(ROOT / "incident" / "db-recovery.yml"), "vars": {"incident_db": "all_of_it", **NAMES},
    }
    needing = site.place / "needing.yml"
    needing.write_text(HEAD + json.dumps([Case([], pattern="needing").book("needing")]))
    book = site.place / "guard.json"
    heads = [{"ansible.builtin.import_playbook": str(needing)}]
    book.write_text(json.dumps([*(case.book(name) for name, case in CASES.items()), *heads, scenario]))
    return site.play("--limit", LIMIT, playbook=book)


@pytest.mark.parametrize("name", CASES)
def test_one_wrong_input_is_enough(name: str, guarded: Ended) -> None:
    (said,) = (event["result"] for event in guarded.events("result") if event["play"] == name)
    assert said.get("problems", []) == CASES[name].problems
    if CASES[name].problems:
        assert said["msg"] == " ".join(["Nothing was looked at or changed.", *CASES[name].problems])


def test_what_the_head_asks_for_and_is_not_here_is_named_with_what_installs_it(guarded: Ended) -> None:
    (said,) = (event["result"] for event in guarded.events("result") if event["play"] == "needing")
    assert len(said["problems"]) == len(MISSING), said["problems"]
    for sentence, problem in zip(MISSING, said["problems"], strict=True):
        assert sentence in problem


def test_all_of_it_is_named_before_the_scenario_looks_at_anything(guarded: Ended) -> None:
    assert guarded.status == 2
    results = [event for event in guarded.events("result") if event["play"] not in {*CASES, "needing"}]
    assert [event["task"].rpartition(" : ")[2] for event in results if event["status"] != "skipped"] == ["Check hosts and variables"]
    for sentence in (
        MISSPELT, "did you mean service_name?", "did you mean incident_approved_plan?", NO_NUMBER,
        "postgres_verify_hold: 'soon' is not a duration", "must be one of: cancel, terminate, escalate, got: kill",
    ):
        assert sentence in guarded.said
