# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `docker inspect --format` makes of a template, for the stand-ins: the same answers and the same failures, as far as it goes.

Docker tries the template on its own structure, in which an absent health check is nil and the id is called ID. When that fails it tries
once more on the JSON, in which the id is called Id, and a key that is not there is an error.
"""

from __future__ import annotations

import json
import re
from typing import Any

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_INDEX = re.compile(r'(?P<json>json )?(?P<open>\()?index (?P<path>\.[\w.]+) "(?P<key>[^"]+)"(?(open)\))')


class TemplateError(Exception):
    """The template cannot be parsed or executed."""


def render(template: str, *, typed: dict[str, Any], raw: dict[str, Any]) -> str:
    """One line of `docker inspect --format`.

    Args:
        typed: the structure, by the names of its fields; None is a nil pointer.
        raw: the JSON.

    Raises:
        TemplateError: neither knows what is asked for.
    """
    tree = _parse(template)
    try:
        return _run(tree, typed)
    except TemplateError:
        return _run(tree, raw)


def _parse(template: str) -> list[Any]:
    """Text, ("show", words), ("index", words), ("if", words, then, otherwise)."""
    root: list[Any] = []
    open_ifs: list[tuple[Any, list[Any]]] = []
    here, at = root, 0
    for found in _ACTION.finditer(template):
        here.append(template[at:found.start()])
        at, words = found.end(), found.group(1).split()
        if words[:1] == ["if"] and len(words) == 2:
            branch = ("if", words[1:], [], [])
            here.append(branch)
            open_ifs.append((branch, here))
            here = branch[2]
        elif words == ["else"] and open_ifs:
            here = open_ifs[-1][0][3]
        elif words == ["end"] and open_ifs:
            here = open_ifs.pop()[1]
        elif indexed := _INDEX.fullmatch(found.group(1)):
            here.append(("index", (indexed["json"], indexed["path"], indexed["key"])))
        elif (len(words) == 1 or (len(words) == 2 and words[0] == "json")) and words[-1].startswith("."):
            here.append(("show", words))
        else:
            raise TemplateError(f"template parsing error: {' '.join(words)} is not understood")
    here.append(template[at:])
    if open_ifs:
        raise TemplateError("template parsing error: unexpected EOF")
    return root


def _run(tree: list[Any], data: dict[str, Any]) -> str:
    said = ""
    for part in tree:
        if isinstance(part, str):
            said += part
        elif part[0] == "if":
            said += _run(part[2] if _value(part[1][0], data) else part[3], data)
        elif part[0] == "index":
            as_json, path, key = part[1]
            value = (_value(path, data) or {}).get(key, "")
            said += json.dumps(value) if as_json else str(value)
        else:
            value = _value(part[1][-1], data)
            said += json.dumps(_without_nil(value)) if part[1][0] == "json" else str(value)
    return said


def _value(path: str, data: Any) -> Any:
    found = data
    for name in path.strip(".").split("."):
        if found is None:
            raise TemplateError(f'template: :1: executing "" at <{path}>: nil pointer evaluating {name}')
        if name and not (isinstance(found, dict) and name in found):
            raise TemplateError(f'template: :1: executing "" at <{path}>: map has no entry for key "{name}"')
        found = found[name] if name else found
    return found


def _without_nil(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nil(item) for name, item in value.items() if item is not None}
    return value
