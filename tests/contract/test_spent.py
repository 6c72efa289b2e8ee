# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run's limits are used up by whoever was touched, whatever became of them. The roles' own expressions, on modules' actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core import actions, limits

ROLES = Path(__file__).parents[2] / "roles"


def expression(role: str, name: str) -> str:
    """A variable of a role as it is written."""
    return str(yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())[name])


def spent(text: str, found: list[dict[str, Any]]) -> int:
    """What the expression makes of a run's actions."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters["oncall.incident.spent"] = limits.spent
    return int(environment.from_string(text).render(incident_actions=found))


def action(verb: str, outcome: str, *, touched: bool | None = None, **detail: Any) -> dict[str, Any]:
    """An action as a module returns it."""
    return actions.Action(f"{verb}|x", verb, {}, "because", outcome, detail, touched).as_dict()


@pytest.mark.parametrize("outcome", sorted(actions.OUTCOMES - {actions.PLANNED}))
def test_whoever_was_signalled_is_charged(outcome: str) -> None:
    text = expression("postgres", "__postgres_spent")
    assert spent(text, [action("cancel", outcome, signals=["cancel"]), action("terminate", outcome, signals=["cancel", "terminate"])]) == 2
    assert spent(text, [action("terminate", outcome, touched=False)]) == 0


def test_what_is_no_victim_is_not_charged() -> None:
    text = expression("postgres", "__postgres_spent")
    assert spent(text, [action("vacuum", "done"), action("terminate", "planned"), action("terminate", "moved_on")]) == 0
    assert spent(text, [action("rollback_prepared", "done"), action("rollback_prepared", "unknown"), {"verb": "terminate"}]) == 3


def test_the_role_charges_it() -> None:
    tasks = (ROLES / "postgres" / "tasks" / "mitigate.yml").read_text()
    assert 'spent: "{{ __postgres_spent }}"' in tasks


@pytest.mark.parametrize(("role", "name", "verb"), [
    ("fail2ban", "__fail2ban_lifted", "unban"), ("fail2ban", "__fail2ban_shut", "ban"), ("fail2ban", "__fail2ban_taken", "remove_rule"),
    ("host", "__host_spent", "remove_file"), ("host", "__host_spent", "truncate_file"),
])
def test_other_limits_charge_what_was_touched_too(role: str, name: str, verb: str) -> None:
    text = expression(role, name)
    charged = [action(verb, "done"), action(verb, "failed", touched=True), action(verb, "unknown"), action(verb, "failed")]
    assert spent(text, charged) == 4
    left_alone = [action(verb, "failed", touched=False), action(verb, "refused"), action(verb, "not_needed")]
    assert spent(text, [*left_alone, action("other", "done")]) == 0


def test_each_copy_of_a_rule_counts() -> None:
    assert spent(expression("fail2ban", "__fail2ban_taken"), [action("remove_rule", "done", copies=4), action("remove_rule", "done")]) == 5
