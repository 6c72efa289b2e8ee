# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference systems' inventories use documented variables, example addresses, and no credential in clear."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.specs import load_options, value_errors

from tests.support.site import ROOT, shell

REFERENCE = ["chitlaq", "matrixon", "prism-dns", "reconciliation", "servio"]
WITH_CACHE = ["chitlaq", "matrixon", "reconciliation", "servio"]
EXAMPLES = [ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
BIN = Path(sys.executable).parent
ENVIRONMENT = {**shell(), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_LOCALHOST_WARNING": "false"}


@cache
def inventory(name: str) -> dict[str, Any]:
    """An inventory as Ansible reads it."""
    done = subprocess.run(
        [str(BIN / "ansible-inventory"), "-i", str(ROOT / "inventories" / name), "--list"], capture_output=True, text=True, check=True,
        env=ENVIRONMENT, timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_all_five_are_there() -> None:
    assert {path.name for path in (ROOT / "inventories").iterdir()} == {"local", *REFERENCE}


@pytest.mark.parametrize("name", REFERENCE)
def test_groups(name: str) -> None:
    found = inventory(name)
    assert found["db"]["hosts"]
    assert found["app"]["hosts"]


@pytest.mark.parametrize("name", REFERENCE)
def test_variables_are_documented(name: str) -> None:
    roles = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
    options = {key: spec for role in roles for key, spec in load_options(ROOT / "roles", role).items()}
    for host, values in inventory(name)["_meta"]["hostvars"].items():
        ours = {key for key in values if key.startswith(tuple(f"{role}_" for role in roles))}
        assert ours <= set(options), host
        assert value_errors({key: values[key] for key in ours if "{{" not in str(values[key])}, options) == []


@pytest.mark.parametrize("name", REFERENCE)
def test_thresholds_and_rules_are_the_modules(name: str) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_args import health_spec
    from ansible_collections.oncall.incident.plugins.module_utils._redis.health_args import health_spec as redis_spec

    for values in inventory(name)["_meta"]["hostvars"].values():
        assert set(values.get("postgres_thresholds", {})) <= set(health_spec())
        assert set(values.get("redis_thresholds", {})) <= set(redis_spec())
        try:
            parse_rules(values.get("postgres_rules"))
        except IncidentError as exc:
            pytest.fail(str(exc))


@pytest.mark.parametrize("name", REFERENCE)
def test_addresses_are_examples_and_passwords_are_looked_up(name: str) -> None:
    for values in inventory(name)["_meta"]["hostvars"].values():
        if "ansible_host" in values:
            assert any(ipaddress.ip_address(values["ansible_host"]) in network for network in EXAMPLES)
    for path in (ROOT / "inventories" / name).rglob("*.yml"):
        for key, value in re.findall(r"(?m)^\s*(\w*(?:password|secret|token)\w*):\s*(.+)$", path.read_text()):
            assert "lookup('ansible.builtin.env'" in value or "vault" in value, f"{path}: {key}"


@pytest.mark.parametrize("name", WITH_CACHE)
def test_those_with_a_cache(name: str) -> None:
    assert inventory(name)["cache"]["hosts"]


#: What each inventory is for. All playbooks of an inventory in one process: most of a guard's cost is the start of Ansible.
PLAYED = {
    "local": ["db-recovery"],
    # Without rollback: this guide and that of prism-dns build in the one work tree, so nothing to go back to is kept.
    "chitlaq": ["db-recovery", "redis-recovery", "certificate-renewal", "disk-full", "service-outage"],
    "matrixon": ["db-recovery", "redis-recovery", "certificate-renewal", "firewall-unblock", "brute-force", "disk-full", "service-outage",
                 "rollback"],
    "prism-dns": ["db-recovery", "firewall-unblock", "disk-full", "service-outage"],
    "reconciliation": ["db-recovery", "redis-recovery", "service-outage", "rollback"],
    "servio": ["db-recovery", "redis-recovery", "disk-full", "service-outage", "rollback", "maintenance-mode"],
}


def test_every_inventory_is_played() -> None:
    assert set(PLAYED) == {"local", *REFERENCE}
    assert {name for name, scenarios in PLAYED.items() if "redis-recovery" in scenarios} == set(WITH_CACHE)


@pytest.mark.parametrize("name", PLAYED)
def test_the_guards_take_them(name: str) -> None:
    """Every task that always runs, and no other: nothing is connected to."""
    scenarios = PLAYED[name]
    addresses = ["-e", "fail2ban_addresses=192.0.2.7,2001:db8::7"] if "firewall-unblock" in scenarios else []
    done = subprocess.run(
        [
            str(BIN / "ansible-playbook"), "-i", str(ROOT / "inventories" / name),
            *(str(ROOT / "incident" / f"{scenario}.yml") for scenario in scenarios), "--tags", "nothing", *addresses,
        ],
        capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=240, cwd=ROOT / "tests",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": Check hosts and variables]") == len(scenarios), "each of them was played"
    assert "WARNING" not in done.stdout + done.stderr
