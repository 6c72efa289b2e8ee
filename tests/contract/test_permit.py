# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is approved reaches the modules as it was read, and whoever never read it does nothing: an omitted `approved` restricts nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[2]
FILES = [*ROOT.glob("roles/*/vars/*.yml"), *ROOT.glob("roles/*/tasks/**/*.yml")]
#: Whole values that read the permit.
READING = re.compile(r"{{ __incident_permit\.(?:approved|actions) }}")
WITHOUT = [("undefined", {}), ("failed", {"__incident_permit": {"failed": True, "msg": "expired"}}),
           ("skipped", {"__incident_permit": {"skipped": True, "changed": False}})]


def texts(value: Any) -> list[str]:
    """All texts of a file."""
    if isinstance(value, dict):
        return [text for member in value.values() for text in texts(member)]
    if isinstance(value, list):
        return [text for member in value for text in texts(member)]
    return [value] if isinstance(value, str) else []


def readings() -> dict[str, str]:
    """Every expression that reads what is approved, by file."""
    found = {}
    for path in FILES:
        for text in texts(yaml.safe_load(path.read_text())):
            if re.search(r"__incident_permit\.(?!baseline|rungs|lease)", text):
                found[f"{path.relative_to(ROOT)}: {text}"] = text
    return found


def rendered(text: str, variables: dict[str, Any]) -> Any:
    """What a task would get."""
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))


def test_every_reading_is_plain() -> None:
    found = readings()
    assert len(found) >= 6
    assert [where for where, text in found.items() if not READING.fullmatch(text)] == []


@pytest.mark.parametrize(("what", "variables"), WITHOUT, ids=[what for what, _variables in WITHOUT])
def test_without_a_permit_nothing_is_done(what: str, variables: dict[str, Any]) -> None:
    for where, text in readings().items():
        with pytest.raises(AnsibleError):
            pytest.fail(f"{where}, {what}: {rendered(text, variables)!r}")


@pytest.mark.parametrize("approved", [None, [], ["terminate|pg:1|pid=2"]])
def test_what_was_read_is_handed_on(approved: list[str] | None) -> None:
    for where, text in readings().items():
        assert rendered(text, {"__incident_permit": {"approved": approved, "actions": approved}}) == approved, where
