# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the YAML files that people write for this command against a description of their keys.

A description is an argument spec as Ansible has it: `type`, `required`, `choices`, `options`, `elements`. Ansible converts the values.
It does not walk the file: its validator names no place in a list, takes a text for a mapping, and fails on keys that are not text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest

Options = Mapping[str, Mapping[str, Any]]
_EMPTY: tuple[Any, ...] = (None, "")


def fit(data: Any, options: Options, *, where: str, see: str) -> dict[str, Any]:
    """A copy of a mapping, after checking every key of it and of what is below it. Keys without a value are left out of it.

    Args:
        options: description of each key.
        where: what the mapping is called, for a person.
        see: the page that describes the file.

    Raises:
        BadInput: the place, what is wrong there, and what is possible.
    """
    return _Walk(see).mapping(data, options, where=where, path="")


class _Walk:
    def __init__(self, see: str) -> None:
        self._see = see

    def mapping(self, data: Any, options: Options, *, where: str, path: str) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise self._wrong(f"{where} is not a mapping.")
        if unknown := sorted(str(key) for key in data if key not in options):
            meant = suggest(unknown[0], options)
            raise BadInput(f"{where}: {unknown[0]!r} is not known.", hint=f"{meant}Known are {', '.join(sorted(options))}.")
        for key, option in options.items():
            if option.get("required") and data.get(key) in _EMPTY:
                raise self._wrong(f"{where}: {key} is missing.")
        inside = f"{path}." if path else ""
        return {
            key: self._value(value, options[key], path=f"{inside}{key}") for key, value in data.items() if value not in _EMPTY
        }

    def _value(self, value: Any, option: Mapping[str, Any], *, path: str) -> Any:
        kind, options = option.get("type", "str"), option.get("options")
        if kind == "list":
            if not isinstance(value, (list, tuple)):
                raise self._wrong(f"{path} is not a list.")
            element = {"type": option.get("elements", "raw"), "options": options}
            return [self._value(item, element, path=f"{path}[{number}]") for number, item in enumerate(value)]
        if kind == "dict":
            if options or not isinstance(value, Mapping):
                return self.mapping(value, options or {}, where=path, path=path)
            return dict(value)
        if "choices" in option and value not in option["choices"]:
            meant = suggest(str(value), option["choices"])
            raise BadInput(f"{path}: {value!r} is not possible.", hint=f"{meant}It is {_either(option['choices'])}.")
        return value if kind in ("str", "raw") else self._converted(value, kind, path=path)

    def _converted(self, value: Any, kind: str, *, path: str) -> Any:
        # Only a value that is there is worth importing this for.
        from ansible.module_utils.common.parameters import DEFAULT_TYPE_VALIDATORS

        try:
            return DEFAULT_TYPE_VALIDATORS[kind](value)
        except (TypeError, ValueError) as exc:
            raise self._wrong(f"{path}: {value!r} is not of type {kind}.") from exc

    def _wrong(self, said: str) -> BadInput:
        return BadInput(said, hint=f"See {self._see} for its form.")


def _either(choices: Sequence[str]) -> str:
    return " or ".join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else choices[0]
