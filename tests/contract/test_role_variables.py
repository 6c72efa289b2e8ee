# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every documented variable of a role reaches a task of each entry point that documents it: one that nobody reads would be ignored."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from tests.support import role_variables

ROOT = Path(__file__).resolve().parents[2]
REDIS_ELSEWHERE = {
    "redis_app_url_status", "redis_app_url_timeout", "redis_app_url_validate_certs", "redis_app_urls", "redis_app_urls_from",
    "redis_thresholds",
}
#: Documented at an entry point because it shares the options of another, and read there only. What verify_attack makes of the failed
#: logins shows in its message alone.
SHARED: dict[str, set[str]] = {
    "evidence/rest": {"evidence_budget", "evidence_command_timeout"},
    "fail2ban/mitigate": {"fail2ban_connect_timeout"},
    "fail2ban/verify_attack": {"fail2ban_attack_max_networks"},
    "host/verify": {"host_look_below", "host_look_for"},
    # How the server is reached, and what belongs to the other entry points of those options.
    "redis/in_force": REDIS_ELSEWHERE, "redis/undo": REDIS_ELSEWHERE,
}
#: Which hosts a scenario goes to is read by its plays.
OF_PLAYS = re.compile(r"incident_(?:db|cache|app|firewall|hosts|web)\Z")


ENTRY_POINTS = [f"{role}/{entry_point}" for role, entry_point in role_variables.entry_points()]


@functools.cache
def unproven() -> dict[str, list[str]]:
    """What changes nothing, by entry point."""
    return role_variables.unproven({name: SHARED.get(name, set()) for name in ENTRY_POINTS})


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_every_variable_reaches_a_task(entry_point: str) -> None:
    shared = SHARED.get(entry_point, set())
    found = set(unproven()[entry_point])
    if entry_point == "incident/guard":
        found -= {name for name in found if OF_PLAYS.match(name)}
    assert not found - shared, f"{entry_point}: set, these change nothing that a task gets: {', '.join(sorted(found - shared))}"
    assert not shared - found, f"{entry_point}: these reach a task after all, take them out of SHARED: {', '.join(sorted(shared - found))}"


def test_what_is_shared_is_documented_by_another_entry_point_of_the_role_or_of_the_frame() -> None:
    for name, variables in SHARED.items():
        role = name.partition("/")[0]
        elsewhere = {
            variable for other, entry_point in role_variables.entry_points()
            if other in (role, "incident") and f"{other}/{entry_point}" != name
            for variable in role_variables.documented(other, entry_point) if variable not in SHARED.get(f"{other}/{entry_point}", ())
        }
        assert variables <= elsewhere, f"{name}: no entry point reads {variables - elsewhere}"


@pytest.mark.parametrize("variable", [name for name in role_variables.documented("incident", "guard") if OF_PLAYS.match(name)])
def test_the_plays_read_which_hosts_they_go_to(variable: str) -> None:
    plays = "".join(path.read_text() for path in (ROOT / "playbooks").glob("*.yml"))
    assert re.search(rf"^ *hosts: .*\b{variable}\b", plays, flags=re.MULTILINE)


PLANTED = """
argument_specs:
  mitigate:
    options:
      planted_seen: {type: str, default: a}
      planted_through: {type: list, elements: str, default: []}
      planted_only_so: {type: str, default: ""}
      planted_way: {type: str, choices: [near, far], default: near}
      planted_told: {type: str, default: b}
      planted_nowhere: {type: int, default: 1}
"""
PLANTED_DEFAULTS = """
planted_seen: a
planted_through: []
planted_only_so: ""
planted_way: near
planted_told: b
planted_nowhere: 1
"""
PLANTED_TASKS = """
- name: Do it
  module_defaults:
    ansible.builtin.command: "{{ __planted_all }}"
  block:
    - name: Run
      ansible.builtin.command:
        creates: "{{ planted_seen }}"
        removes: "{{ planted_only_so if planted_way == 'far' else '' }}"
    - name: Tell
      ansible.builtin.debug:
        msg: "{{ planted_told }}"
"""


def test_a_variable_that_reaches_nothing_is_found(tmp_path: Path) -> None:
    for name, text in {
        "meta/argument_specs.yml": PLANTED, "tasks/mitigate.yml": PLANTED_TASKS,
        "defaults/main.yml": PLANTED_DEFAULTS,
        "vars/main.yml": "__planted_all:\n  argv: \"{{ ['run'] + planted_through }}\"\n",
    }.items():
        path = tmp_path / "planted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = role_variables.unproven({"planted/mitigate": ()}, roles=tmp_path)
    assert found == {"planted/mitigate": ["planted_told", "planted_nowhere"]}
