# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `incident vars` shows first, and which names it points out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.names import say_not_read

from oncall_incident.variables.judging import doubts, place, problems, sections

ROOT = Path(__file__).resolve().parents[4]
ROLES = ROOT / "roles"
INVENTORY = {"kind": "inventory", "of": "group db", "path": "/srv/prod/group_vars/db.yml", "line": 3}
DEFAULT = {"kind": "default"}
EXTRA = {"kind": "-e", "of": "-e"}


def value(this: Any, *, default: Any = None, source: dict[str, Any] | None = None, secret: bool = False) -> dict[str, Any]:
    """One variable as the child reports it."""
    source = source or DEFAULT
    return {
        "set": True, "value": this, "default": default, "template": None, "source": source, "secret": secret,
        "differs": source["kind"] != "default" and this != default,
    }


def answer(*, given: dict[str, Any] | None = None, **hosts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the child found: role postgres on these hosts, with these values."""
    return {
        "hosts": {host: {"groups": ["db"], "roles": {"postgres": values}, "given": given or {}} for host, values in hosts.items()},
        "groups": ["db"], "entry_points": {"postgres": ["investigate", "mitigate"]}, "nowhere": {},
    }


VALUES = {
    "postgres_grace": value("5s", default="5s"),
    "postgres_strategy": value("cancel", default="escalate", source=INVENTORY),
    "postgres_max_victims": value(10, default=10),
    "postgres_via": value("host", default="host", source=INVENTORY),
}


def names(found: dict[str, Any], **more: Any) -> list[tuple[str, bool]]:
    [part] = sections(found, roles=ROLES, own_playbooks=ROOT / "playbooks", **more)
    return [(row.name, row.shown) for row in part.rows]


def test_basic_ones_come_first_then_what_differs_then_the_rest() -> None:
    assert names(answer(db1=VALUES)) == [
        ("postgres_via", True), ("postgres_max_victims", True), ("postgres_strategy", True), ("postgres_grace", False),
    ]


def test_hosts_with_the_same_values_are_shown_once() -> None:
    other = {**VALUES, "postgres_via": value("container", default="host", source=INVENTORY)}
    parts = sections(answer(db1=VALUES, db2=other, db3=VALUES), roles=ROLES, own_playbooks=ROOT / "playbooks")
    assert [part.hosts for part in parts] == [["db1", "db3"], ["db2"]]


def test_what_the_scenarios_own_playbook_sets_is_not_shown() -> None:
    own = {"kind": "playbook", "of": "playbook", "path": str(ROOT / "playbooks" / "db_recovery.yml"), "line": 7}
    assert names(answer(db1={"postgres_grace": value("1s", default="5s", source=own)})) == [("postgres_grace", False)]
    theirs = {**own, "path": "/srv/mine.yml"}
    assert names(answer(db1={"postgres_grace": value("1s", default="5s", source=theirs)})) == [("postgres_grace", True)]


def test_a_secret_that_somebody_sets_is_shown_as_one() -> None:
    secret = value("(hidden)", source=INVENTORY, secret=True)
    assert names(answer(db1={"postgres_probe_login_password": {**secret, "differs": False}})) == [("postgres_probe_login_password", True)]


def test_names_that_a_run_would_refuse_are_problems() -> None:
    found = answer(given={"postgres_max_victim": EXTRA, "postgres_host": INVENTORY, "redis_hst": INVENTORY}, db1=VALUES, db2=VALUES)
    assert problems(found, roles=ROLES) == [
        "postgres_max_victim is unknown; did you mean postgres_max_victims? -e (db1, db2)",
        f"{say_not_read('postgres_host', 'postgres_login_host')} /srv/prod/group_vars/db.yml:3 (db1, db2)",
    ]


def test_a_wrong_value_is_a_problem_and_a_hidden_or_unknown_one_is_none() -> None:
    wrong = {
        "postgres_max_victims": value("many", default=10, source=INVENTORY),
        "postgres_max_percent": value("{{ known_later }}", default=25, source=INVENTORY),
        "postgres_login_password": value("(hidden)", source=INVENTORY, secret=True),
    }
    [problem] = problems(answer(db1=wrong), roles=ROLES)
    assert "postgres_max_victims" in problem and problem.endswith("(db1)")


@pytest.mark.parametrize("name", ["postgres_hsot", "postgres_hostnme"])
def test_a_slip_in_a_name_that_others_use_is_doubted(name: str) -> None:
    found = answer(given={name: EXTRA}, db1=VALUES)
    assert problems(found, roles=ROLES) == []
    assert doubts(found, roles=ROLES) == [f"{name} is not read by oncall.incident; did you mean postgres_login_host? -e (db1)"]


@pytest.mark.parametrize("name", ["postgres_version", "postgres_login_host", "postgres_service_runtime", "my_postgres_hsot"])
def test_other_names_are_left_alone(name: str) -> None:
    found = answer(given={name: EXTRA}, db1=VALUES)
    assert problems(found, roles=ROLES) == doubts(found, roles=ROLES) == []


@pytest.mark.parametrize(("source", "said"), [
    (DEFAULT, "role default"), (EXTRA, "-e"), ({"kind": "-e", "of": "-e @limits.yml", "path": "/x", "line": 1}, "-e @limits.yml"),
    (INVENTORY, "prod/group_vars/db.yml:3"), ({"kind": "inventory", "of": "group db"}, "group db"),
    ({**INVENTORY, "path": "/etc/hosts.yml"}, "/etc/hosts.yml:3"),
])
def test_where_a_value_comes_from(source: dict[str, Any], said: str) -> None:
    assert place(source, relative_to=Path("/srv")) == said
