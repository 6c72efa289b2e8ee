# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever verify asks, investigate asks too: else "nothing to do" would be said of what nobody has looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.test_conformance import documented_with

ROLES = Path(__file__).resolve().parents[2] / "roles"
HEALTH = {f"oncall.incident.{name}" for name in documented_with("oncall.incident.verdict")}
VERIFYING = sorted(ROLES.glob("*/tasks/verify*.yml"))


def asked(path: Path) -> Iterator[str]:
    """The health modules of a tasks file and of those that it includes by a fixed name, as often as they are called."""
    def walk(tasks: list[dict[str, Any]]) -> Iterator[str]:
        for task in tasks:
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part, []))
            yield from HEALTH & set(task)
            for include in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
                if isinstance(task.get(include), str):
                    yield from asked(path.parent / task[include])

    yield from walk(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("verify", VERIFYING, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_investigate_asks_what_verify_asks(verify: Path) -> None:
    wanted = Counter(asked(verify))
    assert wanted, "it asks nothing"
    assert wanted - Counter(asked(verify.with_name(verify.name.replace("verify", "investigate")))) == Counter()
