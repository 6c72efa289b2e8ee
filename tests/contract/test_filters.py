# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of plugins/filter has one filter of its name, documented with the arguments that its function takes."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import yaml

FILTERS = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "plugins" / "filter").glob("[!_]*.py"))


def problems(name: str) -> list[str]:
    """What is wrong with a filter's file."""
    module = importlib.import_module(f"ansible_collections.oncall.incident.plugins.filter.{name}")
    found = module.FilterModule().filters()
    if list(found) != [name]:
        return [f"{name}: its filters are {sorted(found)}"]
    documented: dict[str, Any] = yaml.safe_load(module.DOCUMENTATION)
    value, *options = inspect.signature(found[name]).parameters.values()
    taken = {
        option.name: {"required": True} if option.default is option.empty else {} if option.default is None else {"default": option.default}
        for option in options
    }
    said = {
        option: {key: about[key] for key in ("required", "default") if key in about}
        for option, about in documented["options"].items() if option != "_input"
    }
    wrong = [] if documented["name"] == name else [f"{name}: documented as {documented['name']}"]
    wrong += [] if documented["positional"] == "_input" else [f"{name}: only the value is positional"]
    wrong += [] if value.kind is value.POSITIONAL_OR_KEYWORD and all(one.kind is one.KEYWORD_ONLY for one in options) else [
        f"{name}: options are keywords"]
    return wrong + ([] if said == taken else [f"{name}: documented {said}, taken {taken}"])


def test_filters_are_documented_as_they_are() -> None:
    assert FILTERS
    assert [problem for name in FILTERS for problem in problems(name)] == []
