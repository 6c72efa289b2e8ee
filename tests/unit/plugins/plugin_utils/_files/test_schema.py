# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a file is named with its place, and with what was meant."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._files.schema import fit

OPTIONS: dict[str, Any] = {
    "name": {"required": True}, "count": {"type": "int"}, "again": {"type": "bool"}, "kind": {"choices": ("small", "medium", "large")},
    "any": {"type": "raw"}, "labels": {"type": "dict"}, "words": {"type": "list", "elements": "str"},
    "one_or_more": {"type": "list", "elements": "str", "single": True}, "times": {"type": "dict", "elements": "int"},
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
    ({"kind": "larg"}, "kind: 'larg' is not a valid value.", "Did you mean large? It is small, medium or large."),
    ({"count": "many"}, "count: 'many' is not of type int.", "See docs/some.md"),
    ({"count": True}, "count: True is not of type int.", "See docs/some.md"),
    ({"again": "no"}, "again: 'no' is not of type bool.", "See docs/some.md"),
    ({"again": 1}, "again: 1 is not of type bool.", "See docs/some.md"),
    ({"name": ["n"]}, "name: a list is not of type str.", "See docs/some.md"),
    ({"name": False}, "name: False is not of type str. A text like this one is put in quotes.", "See docs/some.md"),
    ({"name": datetime.date(2026, 1, 1)}, "name: datetime.date(2026, 1, 1) is not of type str.", "See docs/some.md"),
    ({"words": ["a", None]}, "words[1]: None is not of type str.", "See docs/some.md"),
    ({"one_or_more": {"a": 1}}, "one_or_more is not a list.", "See docs/some.md"),
    ({"one_or_more": ["a", ["b"]]}, "one_or_more[1]: a list is not of type str.", "See docs/some.md"),
    ({"times": ["a"]}, "times is not a mapping.", "See docs/some.md"),
    ({"times": {"a": "soon"}}, "times.a: 'soon' is not of type int.", "See docs/some.md"),
])
def test_what_is_wrong_and_where(data: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        fitted(**data)
    assert caught.value.message == said and (caught.value.hint or "").startswith(hint)


def test_what_is_no_mapping_at_all() -> None:
    with pytest.raises(BadInput, match="the file is not a mapping"):
        fit(["x"], OPTIONS, where="the file", see="docs/some.md")


def test_numbers_and_texts_are_converted_and_the_rest_is_left_alone() -> None:
    data = {"again": False, "any": {"x": [1]}, "labels": {"a": None, 1: "b"}, "parts": []}
    assert fitted(**data, count="3", words=["a", 1, 1.5], times={1: "2", "b": 3}) == {
        **data, "name": "n", "count": 3, "words": ["a", "1", "1.5"], "times": {"1": 2, "b": 3},
    }


def test_a_list_may_be_written_as_its_only_element() -> None:
    assert fitted(one_or_more="a")["one_or_more"] == ["a"]
    assert fitted(one_or_more=["a", "b"])["one_or_more"] == ["a", "b"]


def test_the_keys_that_lead_to_a_part_are_named() -> None:
    with pytest.raises(BadInput, match=r"looks\[0\]\.count: 'many' is not of type int"):
        fit({"name": "n", "count": "many"}, OPTIONS, where="looks[0]", path="looks[0]", see="docs/some.md")


def test_keys_without_a_value_are_left_out() -> None:
    assert fitted(kind=None, any=None, parts=[{"name": "x", "more": ""}]) == {"name": "n", "parts": [{"name": "x"}]}
    assert fitted(kind="", any="") == {"name": "n", "any": ""}, "anything may be an empty text"
