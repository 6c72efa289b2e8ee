# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes in which a known secret can appear in a text, and one expression that finds them all.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import json
import re
import typing as t
import urllib.parse

from .utf8 import to_bytes

#: Shorter secrets are masked only where they are the whole value.
SHORTEST = 4
#: Shorter secrets are masked only as whole words.
SHORTEST_INSIDE_WORDS = 8
_LONGEST_WORD = 12
# A shorter piece of base64 or hex would be found by chance.
_SHORTEST_ENCODED = 8
_LONGEST_ENCODED = 16 * 1024


def is_word(secret: str) -> bool:
    """Whether a secret could be part of an innocent word and is looked for as a whole word only."""
    return len(secret) < SHORTEST_INSIDE_WORDS or (secret.isalpha() and len(secret) < _LONGEST_WORD)


def plain_forms(secret: str) -> set[str]:
    """The secret itself and as it looks in URLs, in JSON (also JSON inside JSON), and in Python's repr()."""
    data = to_bytes(secret)
    forms = {secret, urllib.parse.quote(data, safe=""), urllib.parse.quote(data), urllib.parse.quote_plus(data)}
    forms |= {re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), form) for form in tuple(forms)}
    escaped = {form for base in _escaped(secret) for form in (base, *_escaped(base))}
    return {form for form in forms | escaped if len(form) >= len(secret)}


def encoded_forms(secret: str) -> set[str]:
    """Pieces that appear in any base64 or hex text that has the secret inside, wherever it begins."""
    data = to_bytes(secret)
    if len(data) > _LONGEST_ENCODED:
        return set()
    forms = {data.hex(), data.hex().upper()}
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data).decode("ascii").rstrip("=")
        # The first and last characters also hold bits of the neighbours.
        first = (offset * 8 + 5) // 6
        last = (offset + len(data)) * 8 // 6
        forms |= {text[first:last], text[first:last].translate({43: "-", 47: "_"})}
    return {form for form in forms if len(form) >= _SHORTEST_ENCODED}


def lines_of(secret: str) -> list[str]:
    """A secret of several lines is also looked for line by line."""
    if "\n" not in secret:
        return []
    return [line.strip() for line in secret.splitlines() if len(line.strip()) >= SHORTEST_INSIDE_WORDS and not line.startswith("-----")]


def any_of(forms: t.Iterable[str]) -> str:
    """A regular expression that finds the longest of the forms at each place.

    Forms with a common beginning share it, so that thousands of them cost little more than a few: a plain
    alternation is tried from its first member to its last at every character.
    """
    return _branch(sorted(set(forms) - {""}))


def _escaped(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}


def _common_beginning(first: str, last: str) -> str:
    """Of the first and last of a sorted list, and so of all of it."""
    length = next((place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), min(len(first), len(last)))
    return first[:length]


def _branch(forms: list[str]) -> str:
    """An expression for sorted, distinct, non-empty forms."""
    alternatives = []
    position = 0
    while position < len(forms):
        end = position + 1
        while end < len(forms) and forms[end][0] == forms[position][0]:
            end += 1
        group = forms[position:end]
        prefix = _common_beginning(group[0], group[-1])
        rest = [form[len(prefix):] for form in group if len(form) > len(prefix)]
        optional = "?" if len(rest) < len(group) else ""
        alternatives.append(re.escape(prefix) + (f"(?:{_branch(rest)}){optional}" if rest else ""))
        position = end
    return "|".join(alternatives)
