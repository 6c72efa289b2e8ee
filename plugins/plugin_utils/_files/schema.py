# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the YAML files that people write against a description of their keys.

A description is an argument spec as Ansible has it: `type`, `required`, `choices`, `options`, `elements`. Two forms are ours: a
dictionary with `elements` has keys of any name, and a list that is `single` may be written as its only element.

Ansible's own validator does not walk a file: it names no place in a list, takes a text for a mapping, and fails on keys that are not
text. It also takes texts for what they may mean, such as "no", where YAML has a word of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest

Options = Mapping[str, Mapping[str, Any]]
#: What a value may be, as a description and as Python have it. With `raw` it may be anything.
TYPES: Mapping[str, type] = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Unfit(ValueError):
    """A value is of another type."""


def convert(value: Any, kind: str, *, templated: bool = False) -> Any:
    """A value as its type has it: a number may be written as a text, and a text that looks like a number without quotes.

    Args:
        templated: the value may have come out of a template, which makes a text of true and false.

    Raises:
        Unfit: it is of another type.
    """
    wanted = TYPES[kind]
    if wanted is int and isinstance(value, str) and re.fullmatch(r"-?\d+", value.strip()):
        return int(value)
    if wanted is bool and templated and str(value).lower() in (*_TRUE, *_FALSE):
        return str(value).lower() in _TRUE
    if wanted is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise Unfit(f"has to be of type {kind}, and is {_seen(value)}")
    return value


def fit(data: Any, options: Options, *, where: str, see: str, path: str = "") -> dict[str, Any]:
    """A copy of a mapping, after checking every key of it and of what is below it. Keys without a value are left out of it.

    An empty text is not a value, except where anything may be one.

    Args:
        options: description of each key.
        where: what the mapping is called, for a person.
        see: the page that describes the file.
        path: the keys that lead to it, in a file that it is a part of.

    Raises:
        BadInput: the place, what is wrong there, and what is possible.
    """
    return _Walk(see).mapping(data, options, where=where, path=path)


class _Walk:
    def __init__(self, see: str) -> None:
        self._see = see

    def mapping(self, data: Any, options: Options, *, where: str, path: str) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise self._wrong(f"{where} is not a mapping.")
        if unknown := sorted(str(key) for key in data if key not in options):
            meant = suggest(unknown[0], options)
            raise BadInput(f"{where}: {unknown[0]!r} is not known.", hint=f"{meant}Known are {', '.join(sorted(options))}.")
        given = {key: value for key, value in data.items() if not _is_nothing(value, options[key])}
        for key, option in options.items():
            if option.get("required") and key not in given:
                raise self._wrong(f"{where}: {key} is missing.")
        inside = f"{path}." if path else ""
        return {key: self._value(value, options[key], path=f"{inside}{key}") for key, value in given.items()}

    def _value(self, value: Any, option: Mapping[str, Any], *, path: str) -> Any:
        kind, options = option.get("type", "str"), option.get("options")
        element = {"type": option.get("elements", "raw"), "options": options}
        if kind == "list":
            return self._list(value, element, single=option.get("single", False), path=path)
        if kind == "dict" and "elements" in option:
            if not isinstance(value, Mapping):
                raise self._wrong(f"{path} is not a mapping.")
            return {str(key): self._value(member, element, path=f"{path}.{key}") for key, member in value.items()}
        if kind == "dict":
            if options or not isinstance(value, Mapping):
                return self.mapping(value, options or {}, where=path, path=path)
            return dict(value)
        if "choices" in option and value not in option["choices"]:
            meant = suggest(str(value), option["choices"])
            raise BadInput(f"{path}: {value!r} is not a valid value.", hint=f"{meant}It is {_either(option['choices'])}.")
        return value if kind == "raw" else self._converted(value, kind, path=path)

    def _list(self, value: Any, element: Mapping[str, Any], *, single: bool, path: str) -> list[Any]:
        if single and not isinstance(value, (list, tuple, Mapping)):
            return [self._value(value, element, path=path)]
        if not isinstance(value, (list, tuple)):
            raise self._wrong(f"{path} is not a list.")
        return [self._value(item, element, path=f"{path}[{number}]") for number, item in enumerate(value)]

    def _converted(self, value: Any, kind: str, *, path: str) -> Any:
        try:
            return convert(value, kind)
        except Unfit as exc:
            quotes = " A text like this one is put in quotes." if kind == "str" and isinstance(value, bool) else ""
            raise self._wrong(f"{path}: {_seen(value)} is not of type {kind}.{quotes}") from exc

    def _wrong(self, said: str) -> BadInput:
        return BadInput(said, hint=f"See {self._see} for its form.")


def _is_nothing(value: Any, option: Mapping[str, Any]) -> bool:
    return value is None or (value == "" and option.get("type") != "raw")


def _seen(value: Any) -> str:
    # Not what is in a list or a mapping: it may hold a password.
    return f"a {type(value).__name__}" if isinstance(value, (list, tuple, dict)) else repr(value)


def _either(choices: Sequence[str]) -> str:
    return " or ".join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else choices[0]
