# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every filter is in one file of plugins/filter, and documented in the .yml of its name with the arguments that its function takes."""

from __future__ import annotations

import collections
import importlib
import inspect
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).resolve().parents[2] / "plugins" / "filter"
PLUGINS = "ansible_collections.oncall.incident.plugins"
#: The keys of a filter's documentation.
DOCUMENTED = {"name", "short_description", "version_added", "author", "description", "positional", "options"}


def filters(path: Path) -> dict[str, Any]:
    """The filters of a file by name."""
    found: dict[str, Any] = importlib.import_module(f"{PLUGINS}.filter.{path.stem}").FilterModule().filters()
    return found


def options(documented: dict[str, Any]) -> dict[str, Any]:
    """The options of a filter, with those of the fragments that its documentation extends."""
    found = {}
    for name in documented.get("extends_documentation_fragment", ()):
        module, _dot, part = name.removeprefix("oncall.incident.").partition(".")
        fragment = importlib.import_module(f"{PLUGINS}.doc_fragments.{module}").ModuleDocFragment
        found.update(yaml.safe_load(getattr(fragment, part.upper() or "DOCUMENTATION"))["options"])
    return {**found, **documented.get("options", {})}


def problems(name: str, function: Any) -> list[str]:
    """What is wrong with a filter's documentation."""
    page = yaml.safe_load((DIRECTORY / f"{name}.yml").read_text())
    documented: dict[str, Any] = page["DOCUMENTATION"]
    value, *arguments = inspect.signature(function).parameters.values()
    taken = {
        one.name: {"required": True} if one.default is one.empty else {} if one.default is None else {"default": one.default}
        for one in arguments
    }
    said = {
        option: {key: about[key] for key in ("required", "default") if key in about}
        for option, about in options(documented).items() if option != "_input"
    }
    wrong = [] if set(page) == {"DOCUMENTATION", "EXAMPLES", "RETURN"} else [f"{name}: its page has {sorted(page)}"]
    missing = DOCUMENTED - set(documented) - ({"options"} if "extends_documentation_fragment" in documented else set())
    wrong += [f"{name}: it does not say {sorted(missing)}"] if missing else []
    wrong += [] if "_input" in options(documented) else [f"{name}: the value is not described"]
    wrong += [] if f"oncall.incident.{name}" in page["EXAMPLES"] else [f"{name}: no example uses it"]
    wrong += [] if set(page["RETURN"]) == {"_value"} else [f"{name}: it returns {sorted(page['RETURN'])}"]
    wrong += [] if documented["name"] == name else [f"{name}: documented as {documented['name']}"]
    wrong += [] if documented["positional"] == "_input" else [f"{name}: only the value is positional"]
    wrong += [] if value.kind is value.POSITIONAL_OR_KEYWORD and all(one.kind is one.KEYWORD_ONLY for one in arguments) else [
        f"{name}: options are keywords"]
    return wrong + ([] if said == taken else [f"{name}: documented {said}, taken {taken}"])


def test_filters_are_documented_as_they_are() -> None:
    found = {name: one.function() for path in DIRECTORY.glob("*.py") for name, one in filters(path).items()}
    assert found
    assert sorted(path.stem for path in DIRECTORY.glob("*.yml")) == sorted(found)
    assert [problem for name, function in found.items() for problem in problems(name, function)] == []


def test_a_filter_is_in_one_file() -> None:
    count = collections.Counter(name for path in DIRECTORY.glob("*.py") for name in filters(path))
    assert [name for name, files in count.items() if files > 1] == []
