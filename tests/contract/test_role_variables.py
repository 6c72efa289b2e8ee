# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every documented variable of a role reaches a task of each entry point that documents it: one that nobody reads would be ignored.

With the defaults of all others, or in the company that NEEDS states. What reaches none is in NOT_HERE or TOLD, and has its reason there.
"""

from __future__ import annotations

import fcntl
import fnmatch
import functools
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import role_variables
from tests.support.role_variables import ALONE, COMPANY, NAMED, UNREAD

ROOT = Path(__file__).resolve().parents[2]
Needs = Mapping[str, Mapping[str, Any]]


def ways(role: str) -> Needs:
    """Each way to a server has variables of its own."""
    return {
        f"{role}_container_*": {f"{role}_via": "container"},
        f"{role}_ssh_*": {f"{role}_via": "ssh_tunnel"},
        f"{role}_kube*": {f"{role}_via": "kubernetes"},
        f"{role}_tunnel_*": {f"{role}_via": "ssh_tunnel"},
    }


PAIR = {"certificate_pairs": [{"endpoint": "www.example.org:443", "file": "/srv/www.pem"}]}
LINEAGE = {"certificate_lineages": [{"name": "www.example.org"}]}
FLAG = {"maintenance_flag": f"/srv/{role_variables.MARK}.on"}
SWITCH = {"url": f"https://{role_variables.MARK}.example.org/maintenance", "on": {"enabled": True}, "off": {"enabled": False}}
API = {"maintenance_method": "api", "maintenance_api": SWITCH}
SCOPE = {
    "maintenance_scope": "checkout",
    "maintenance_scopes": {"checkout": {"flag": FLAG["maintenance_flag"], "public": [{"url": "https://www.example.org/checkout"}]}},
}
RUN = {"incident_run_id": "run"}
RECENT = {"release_recent_paths": ["/etc/shop"]}
ALERTS = {"maintenance_alertmanager": "http://192.0.2.9:9093"}
FAULT = {"drill_faults": [{"fault": "stop_service", "hosts": "db", "params": {}}]}
#: What must be set beside a variable for a task to run that gets it: by entry point, variable and what is set.
NEEDS: Mapping[str, Needs] = {
    **{f"*/{entry_point}": {"incident_smoke_from": {"incident_smoke": [{"url": "https://www.example.org/login"}]}}
       for entry_point in ("investigate", "verify")},
    "certificate/investigate": {"certificate_config_dir": LINEAGE},
    "certificate/verify": {"certificate_config_dir": LINEAGE},
    # Without certificates nothing is renewed.
    "certificate/mitigate": {
        **{f"certificate_{name}": PAIR for name in ("renewal", "ca_path", "options", "workers", "timeout")},
        # For the service that a round of the loop reloads.
        "certificate_reload_command": {"certificate_service_name": role_variables.ITEM},
    },
    "drill/inject": {"drill_lifetime": FAULT, "drill_directory": FAULT},
    "drill/remove": {"drill_id": FAULT},
    "fail2ban/mitigate*": {
        "fail2ban_service_*": {"fail2ban_service_action": "reload"},
    },
    "fail2ban/verify": {"fail2ban_vantage_target": {"fail2ban_vantage": "edge1"}},
    "maintenance/*": {
        "maintenance_*": FLAG, "maintenance_method": {**FLAG, **API}, "maintenance_scope*": SCOPE, "maintenance_name": API,
        # Its name is in the path of the note, which nobody finds without the API.
        "maintenance_api": {**API, "maintenance_name": role_variables.MARK},
        "maintenance_note": {**API, "maintenance_note": f"/srv/{role_variables.MARK}.json"},
        "maintenance_alertmanager_*": ALERTS,
    },
    "maintenance/mitigate": {
        "maintenance_silence_*": ALERTS,
        **{f"maintenance_{name}": {**FLAG, **RUN} for name in ("expires", "who")},
        "maintenance_whose": {**FLAG, **RUN, "maintenance_state": "off", "maintenance_whose": "any"},
    },
    "postgres/*": ways("postgres"),
    "postgres/mitigate": {"postgres_maintain_*": {"postgres_maintain": [{"operation": "analyze", "table": "orders"}]}},
    "redis/*": ways("redis"),
    "redis/investigate": {
        "redis_app_url*": {"redis_app_urls": ["https://www.example.org/health"]},
        "redis_log_*": {"redis_log_path": "/var/log/redis.log"},
    },
    "redis/verify": {"redis_app_url*": {"redis_app_urls": ["https://www.example.org/health"]}},
    "redis/mitigate": {
        "redis_app_url_*": {"redis_app_urls": ["https://www.example.org/health"]},
        "redis_clear": {"redis_clear_pattern": "session:*"},
        "redis_free_disk_timeout": {"redis_free_disk_command": ["/usr/local/sbin/make-room"]},
        "redis_disk_critical_percent": {"redis_free_disk_command": ["/usr/local/sbin/make-room"]},
        "redis_stale_rdb_*": {"redis_remove_stale_rdb": True},
    },
    # What runs a linked release takes it only where there is such a service.
    **{f"release/{entry_point}": {
        "release_service_*": {"release_service_name": "shop"},
        "release_schema_compatible": {"release_where": {"path": "/srv/shop/current"}},
        **({"release_forbidden": {"release_where": {"path": "/srv/shop/current"}}} if entry_point == "switch" else {}),
    } for entry_point in ("mitigate", "switch")},
    "release/undo": {"release_service_*": {"release_service_name": "shop"}},
    # Only what the application was measured by is noted as good.
    "release/verify": {
        "incident_run_id": {"release_probes": ["https://www.example.org/health"]},
        "services": {"services": [{"name": role_variables.MARK}]}, "service_verify_checks": {"services": [{"name": "shop"}]},
    },
    **{f"release/{entry_point}": {
        "release_recent_*": RECENT, **({"release_become": RECENT} if entry_point == "recent" else {}),
        "release_where": {"release_where": {"path": f"/srv/{role_variables.MARK}/current"}},
    } for entry_point in ("recent", "investigate_config")},
    "release/investigate": {
        "release_recent_*": RECENT,
        "release_verify_hold": {"services": [{"name": "shop"}]},
        "services": {"services": [{"name": role_variables.MARK}]}, "service_verify_checks": {"services": [{"name": "shop"}]},
    },
    "release/*_config": {"services": {"services": [{"name": role_variables.MARK, "health": [{"url": "https://www.example.org/health"}]}]}},
    # Of a host with one service; without its name there is none.
    "service/*": {
        **{f"service_{name}": {"service_name": "shop"} for name in (
            "runtime", "scope", "reload_*", "restart", "validate", "verb", "reason", "start_only", "hold", "verify_checks",
            "restarts_per_hour")},
        "service_names": {"services": [{"name": f"{role_variables.MARK}-{letter}"} for letter in "abc"]},
        **{f"service_{name}": {"service_name": "shop", "service_runtime": "compose"} for name in ("compose_*", "container_command")},
    },
    "service/verify": {"release_where": {"services": [{"name": "shop", "health": [{"url": "https://www.example.org/health"}]}]}},
    "service/scale": {
        "service_count": {"service_name": "shop"},
        "service_pool_limit": {"services": [{"name": role_variables.MARK, "pool": 5}], "service_count": 2},
    },
    "service/mitigate": {
        "service_pool_limit": {"services": [{"name": f"{role_variables.MARK}-b", "runtime": "compose", "desired": 2, "pool": 5}]},
    },
    "service/help": {"service_pool_instances": {"service_pool_size": 20}},
    # A command goes into a container of Docker Compose; of systemd it runs on the host as it is.
    "service/validate": {"service_name": {"service_runtime": "compose"}},
    "service/locate": {"service_name": {"service_runtime": "compose"}},
}
APPLICATION = {
    "redis_app_url_status", "redis_app_url_timeout", "redis_app_url_validate_certs", "redis_app_urls", "redis_app_urls_from",
}
#: Documented at an entry point because it shares the options of another, and read there only: no task here depends on it.
NOT_HERE: Mapping[str, set[str]] = {
    "evidence/rest": {"evidence_budget", "evidence_command_timeout"},  # the bounds of what snapshot collects
    "host/mitigate": {"host_look_below"}, "host/verify": {"host_look_below"},  # only what is full then is looked into
    # A change is taken back whatever the checks and the application say.
    "redis/in_force": {*APPLICATION, "redis_thresholds"}, "redis/undo": {*APPLICATION, "redis_thresholds"} - {"redis_app_urls"},
}
TOLD: Mapping[str, set[str]] = {
    # Only the sentence to people says it: whom to ban was decided before.
    "fail2ban/verify_attack": {"fail2ban_attack_max_networks"},
    # The ladder has the checks of the application; a lease goes by whose it is.
    "redis/undo": {"redis_app_urls"},
}
#: Which hosts a scenario goes to is read by its plays.
OF_PLAYS = re.compile(r"incident_(?:db|cache|app|firewall|hosts|web)\Z")


ENTRY_POINTS = [f"{role}/{entry_point}" for role, entry_point in role_variables.entry_points()]


def needs_of(entry_point: str, variable: str) -> list[tuple[str, str]]:
    """The places in NEEDS that speak of a variable; the last one holds."""
    return [
        (place, pattern) for place, needs in NEEDS.items() if fnmatch.fnmatchcase(entry_point, place)
        for pattern in needs if fnmatch.fnmatchcase(variable, pattern)
    ]


def company_of(entry_point: str, variable: str) -> dict[str, Any]:
    """What is set beside a variable."""
    return {name: value for place, pattern in needs_of(entry_point, variable)[-1:] for name, value in NEEDS[place][pattern].items()}


Proofs = Callable[[str], dict[str, str]]


@pytest.fixture(scope="session")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Proofs:
    """How each variable of an entry point is proven: worked out once, whichever of pytest's processes asks first."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # that of the process which all workers have in common

    @functools.cache
    def proofs_of(entry_point: str) -> dict[str, str]:
        kept = place / f"proofs-{entry_point.replace('/', '-')}.json"
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                documented = role_variables.documented(*entry_point.split("/"))
                found = role_variables.proofs({entry_point: {variable: company_of(entry_point, variable) for variable in documented}})
                kept.write_text(json.dumps(found[entry_point]))
        read: dict[str, str] = json.loads(kept.read_text())
        return read

    return proofs_of


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_every_variable_reaches_a_task(entry_point: str, proofs: Proofs) -> None:
    found = proofs(entry_point)
    unread, told = ({name for name, how in found.items() if how == kind} for kind in (UNREAD, NAMED))
    if entry_point == "incident/guard":
        unread -= {name for name in unread if OF_PLAYS.match(name)}
    assert unread == NOT_HERE.get(entry_point, set()), f"{entry_point}: what no task depends on"
    assert told == TOLD.get(entry_point, set()), f"{entry_point}: set, they change nothing of a task that runs; NEEDS says beside what"


def test_every_company_is_needed(proofs: Proofs) -> None:
    needed = {
        place for entry_point in ENTRY_POINTS for variable, how in proofs(entry_point).items() if how == COMPANY
        for place in needs_of(entry_point, variable)[-1:]
    }
    assert [(place, pattern) for place, needs in NEEDS.items() for pattern in needs if (place, pattern) not in needed] == []


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_a_company_is_of_documented_variables(entry_point: str) -> None:
    documented = role_variables.documented(*entry_point.split("/"))
    strange = {name for variable in documented for name in company_of(entry_point, variable)} - set(documented)
    assert not strange, f"{entry_point} documents none of {strange}"


def test_what_is_not_read_here_is_read_by_another_entry_point_of_the_role_or_by_the_frame(proofs: Proofs) -> None:
    for place, variables in [*NOT_HERE.items(), *TOLD.items()]:
        role = place.partition("/")[0]
        elsewhere = {
            variable for other in ENTRY_POINTS if other != place and other.partition("/")[0] in (role, "incident")
            for variable, how in proofs(other).items() if how in (ALONE, COMPANY)
        }
        assert variables <= elsewhere, f"{place}: no entry point reads {variables - elsewhere}"


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
      planted_of_a_form: {type: str, default: ""}
      planted_applied: {type: bool, default: false}
      planted_way: {type: str, choices: [near, far], default: near}
      planted_switch: {type: bool, default: false}
      planted_conditional: {type: str, default: a}
      planted_blocked: {type: str, default: a}
      planted_told: {type: str, default: b}
      planted_nowhere: {type: int, default: 1}
"""
PLANTED_DEFAULTS = """
planted_seen: a
planted_through: []
planted_only_so: ""
planted_of_a_form: ""
planted_applied: false
planted_way: near
planted_switch: false
planted_conditional: a
planted_blocked: a
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
        chdir: "{{ '/srv' if planted_of_a_form == '/form' else '' }}"
    - name: Run more
      ansible.builtin.include_tasks:
        file: more.yml
        apply:
          become: "{{ planted_applied }}"
    - name: Run far away
      ansible.builtin.command:
        argv: [run, "{{ planted_conditional }}"]
      when: planted_way == 'far'
    - name: Run nowhere
      when: planted_switch
      block:
        - name: Run where both hold, which cannot be
          ansible.builtin.command:
            argv: [run, "{{ planted_blocked }}"]
          when: not planted_switch
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
    far, both = {"planted_way": "far"}, {"planted_way": "far", "planted_switch": True}
    found = role_variables.proofs({"planted/mitigate": {
        "planted_of_a_form": {"planted_of_a_form": "/form"},
        "planted_only_so": far, "planted_conditional": both, "planted_blocked": both, "planted_told": both,
    }}, roles=tmp_path)["planted/mitigate"]
    assert found == {
        "planted_seen": ALONE, "planted_through": ALONE, "planted_only_so": COMPANY, "planted_of_a_form": COMPANY,
        "planted_applied": ALONE, "planted_way": ALONE, "planted_switch": NAMED,
        "planted_conditional": COMPANY, "planted_blocked": NAMED, "planted_told": UNREAD, "planted_nowhere": UNREAD,
    }
    without = role_variables.proofs({"planted/mitigate": {}}, roles=tmp_path)["planted/mitigate"]
    assert {name for name, how in without.items() if how == NAMED} >= {"planted_only_so", "planted_of_a_form", "planted_conditional"}
