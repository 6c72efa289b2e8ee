# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever verify asks, investigate asks too: else "nothing to do" would be said of what nobody has looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.test_conformance import ENGINES, members

ROLES = Path(__file__).resolve().parents[2] / "roles"
HEALTH = {f"oncall.incident.{name}" for name in members(*ENGINES["health"])[0]}
VERIFYING = sorted(ROLES.glob("*/tasks/verify*.yml"))


#: What a module asks where a call says nothing.
DEFAULT = "its default"


def asked_by(call: Mapping[str, Any]) -> list[str]:
    """The checks that a call asks: by name, by the expression that names them, or the module's default."""
    stated = call.get("wait_for")
    waited = stated.get("checks") if isinstance(stated, dict) else None
    named = [one for names in (call.get("asked"), waited) if names is not None for one in (names if isinstance(names, list) else [names])]
    return named if named or call.get("asked") is not None else [DEFAULT]


def asked(path: Path) -> Iterator[tuple[str, str]]:
    """The health modules of a tasks file and of those that it includes by a fixed name, with each check that they ask."""
    def walk(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        for task in tasks:
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part, []))
            for module in HEALTH & set(task):
                yield from ((module, check) for check in asked_by(task[module] or {}))
            for include in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
                if isinstance(task.get(include), str):
                    yield from asked(path.parent / task[include])

    yield from walk(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("verify", VERIFYING, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_investigate_asks_what_verify_asks(verify: Path) -> None:
    wanted = Counter(asked(verify))
    assert wanted, "it asks nothing"
    looked = Counter(asked(verify.with_name(verify.name.replace("verify", "investigate"))))
    # Who asks a module for all that it can tell asks for what verify names of it too.
    assert {(module, check) for module, check in wanted - looked if check == DEFAULT or not looked[module, DEFAULT]} == set()


@pytest.mark.parametrize(("call", "checks"), [
    ({}, [DEFAULT]), ({"asked": []}, []), ({"asked": ["port"]}, ["port"]), ({"asked": "{{ x }}"}, ["{{ x }}"]),
    ({"wait_for": {"checks": "{{ x }}"}}, ["{{ x }}"]), ({"wait_for": {"hold": "0s"}}, [DEFAULT]), ({"wait_for": "{{ x }}"}, [DEFAULT]),
    ({"asked": ["a"], "wait_for": {"checks": ["b"]}}, ["a", "b"]),
])
def test_what_a_call_asks(call: dict[str, Any], checks: list[str]) -> None:
    assert asked_by(call) == checks
