# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a file is named with its place, and with what was meant."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput

from oncall_incident.schema import fit

OPTIONS: dict[str, Any] = {
    "name": {"required": True}, "count": {"type": "int"}, "again": {"type": "bool"}, "kind": {"choices": ("small", "medium", "large")},
    "any": {"type": "raw"}, "labels": {"type": "dict"}, "words": {"type": "list", "elements": "str"},
    "parts": {"type": "list", "elements": "dict", "options": {"name": {"required": True}, "more": {"type": "dict", "options": {"x": {}}}}},
}


def fitted(**data: Any) -> dict[str, Any]:
    return fit({"name": "n", **data}, OPTIONS, where="the file", see="docs/some.md")


@pytest.mark.parametrize(("data", "said", "hint"), [
    ({"nmae": 1}, "the file: 'nmae' is not known.", "Did you mean name? Known are again, any, count"),
    ({"name": ""}, "the file: name is missing.", "See docs/some.md"),
    ({"parts": {}}, "parts is not a list.", "See docs/some.md"),
    ({"parts": "name=x"}, "parts is not a list.", "See docs/some.md"),
    ({"parts": [{"name": "x"}, "name=x"]}, "parts[1] is not a mapping.", "See docs/some.md"),
    ({"parts": [{"name": "x"}, {"nam": "x"}]}, "parts[1]: 'nam' is not known.", "Did you mean name? Known are more, name."),
    ({"parts": [{}]}, "parts[0]: name is missing.", "See docs/some.md"),
    ({"parts": [{"name": "x", "more": {"y": 1}}]}, "parts[0].more: 'y' is not known.", "Known are x."),
    ({"labels": ["x"]}, "labels is not a mapping.", "See docs/some.md"),
    ({"kind": "larg"}, "kind: 'larg' is not possible.", "Did you mean large? It is small, medium or large."),
    ({"count": "many"}, "count: 'many' is not of type int.", "See docs/some.md"),
    ({"again": "perhaps"}, "again: 'perhaps' is not of type bool.", "See docs/some.md"),
])
def test_what_is_wrong_and_where(data: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        fitted(**data)
    assert caught.value.message == said and (caught.value.hint or "").startswith(hint)


def test_what_is_no_mapping_at_all() -> None:
    with pytest.raises(BadInput, match="the file is not a mapping"):
        fit(["x"], OPTIONS, where="the file", see="docs/some.md")


def test_values_are_converted_as_ansible_does_and_the_rest_is_left_alone() -> None:
    data = {"count": "3", "again": "no", "any": {"x": [1]}, "labels": {"a": None}, "words": ["a", 1], "parts": []}
    assert fitted(**data) == {**data, "name": "n", "count": 3, "again": False}


def test_keys_without_a_value_are_left_out() -> None:
    assert fitted(kind=None, parts=[{"name": "x", "more": ""}]) == {"name": "n", "parts": [{"name": "x"}]}
