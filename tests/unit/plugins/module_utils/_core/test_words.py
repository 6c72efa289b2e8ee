# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.words import command_words, few, format_bytes, number, words_list


@pytest.mark.parametrize(("value", "made"), [
    ("blocking", ["blocking"]), ("blocking, connections ,", ["blocking", "connections"]), ("", []), (None, []), ([], []),
    (["a b", "c,d"], ["a b", "c,d"]), (("a",), ["a"]), ([5432], [5432]),
])
def test_a_list_is_made(value: Any, made: list[Any]) -> None:
    assert words_list(value) == made


@pytest.mark.parametrize(("command", "options", "words"), [
    ([], {}, []), ("", {}, []), ("podman exec f2b  fail2ban-client", {}, ["podman", "exec", "f2b", "fail2ban-client"]),
    (["a b", "c"], {}, ["a b", "c"]),
    ([], {"default": ["fail2ban-client"], "arguments": ["-t"]}, ["fail2ban-client", "-t"]),
    ("f2b", {"default": ["fail2ban-client"], "arguments": ["-t"]}, ["f2b", "-t"]),
])
def test_a_command_is_a_list(command: Any, options: dict[str, Any], words: list[str]) -> None:
    assert command_words(command, **options) == words


@pytest.mark.parametrize(("value", "found"), [
    (2, 2), ("2", 2), (" 2 ", 2), (2.0, 2), ("2.0", 2), ("-3", -3), (True, 1), (None, 0), ("", 0), (0, 0),
])
def test_a_number(value: Any, found: int) -> None:
    assert number(value) == found


@pytest.mark.parametrize("value", ["many", "2x", [], {}, float("inf"), float("nan"), "nan"])
def test_what_is_no_number_is_not_taken_for_none(value: Any) -> None:
    with pytest.raises(BadInput, match="is not a number"):
        number(value)


@pytest.mark.parametrize(("size", "text"), [
    (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (300 << 20, "300 MiB"), (20480 << 20, "20.0 GiB"), (2**42, "4.0 TiB"),
])
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(("names", "more", "said"), [
    ([], {}, ""), (["a"], {}, "a"), (["a", "b"], {}, "a, b"), (["a", "b", "c", "d"], {}, "a, b and 2 more"),
    ((one for one in "abc"), {"separator": "; ", "last": "; and "}, "a; b; and 1 more"),
])
def test_the_first_few_are_named(names: Iterable[str], more: dict[str, str], said: str) -> None:
    assert few(names, most=2, **more) == said
