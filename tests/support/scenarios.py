# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plays of a scenario as Ansible sees them: imported playbooks opened, their variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
#: The playbooks that a responder can name; those that begin with an underscore are parts.
SCENARIOS = sorted((ROOT / "playbooks").glob("[!_]*.yml"))
#: Those that only look: without a plan, there is nothing to change and to verify.
LOOKING = [path for path in SCENARIOS if "\n# phases: investigate\n" in path.read_text(encoding="utf-8")]
_IMPORT = "ansible.builtin.import_playbook"
_GIVEN = re.compile(r"\{\{ ((?:scenario|look)_[\w.]+) \}\}")


def plays(path: Path, given: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """All plays of a playbook, those that it imports among them, in their order.

    Args:
        path: of the playbook.
        given: the variables with which it is imported.
    """
    found: list[dict[str, Any]] = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if _IMPORT in entry:
            found += plays(path.parent / entry[_IMPORT], entry.get("vars"))
        else:
            found.append(_filled(entry, given or {}))
    return found


def tasks(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All tasks of a file or a play, those of blocks too."""
    found = []
    for entry in entries:
        inner = [task for part in ("block", "rescue", "always") for task in tasks(entry.get(part) or [])]
        found += inner or [entry]
    return found


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    """What a scenario gave, in place of its name. A name that it did not give is a KeyError, as it is an error to Ansible."""
    if isinstance(value, dict):
        return {key: _filled(one, given) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, given) for one in value]
    if not isinstance(value, str):
        return value
    if whole := _GIVEN.fullmatch(value):
        return _looked_up(whole[1], given)
    return _GIVEN.sub(lambda found: str(_looked_up(found[1], given)), value)


def _looked_up(name: str, given: Mapping[str, Any]) -> Any:
    found: Any = given
    for part in name.split("."):
        found = found[part]
    return found
