# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that can be written as UTF-8, whatever it came from.

This plugin util is PRIVATE to the collection: it may change at any time.

Command lines, file names and the environment may hold any bytes; Python carries those that are not UTF-8 as lone surrogates.
JSON may hold lone surrogates of its own. No writer takes them, so they are spelled out where a line is made and where one is read.
"""

from __future__ import annotations

import re
import typing as t

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    r"""The text with what is not UTF-8 spelled out: a byte as \xe9, half of a surrogate pair as \ud800."""
    return _SURROGATE.sub(_spelled, text)


def cleaned(value: t.Any) -> t.Any:
    """A JSON-like value, all of whose texts and keys are clean."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, t.Mapping):
        return {clean(key) if isinstance(key, str) else key: cleaned(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(member) for member in value]
    return value


def to_bytes(text: str) -> bytes:
    """The bytes that a text was made from; half of a surrogate pair, which never was a byte, as UTF-8 would have it."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _spelled(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code - 0xdc00:02x}" if 0xdc80 <= code <= 0xdcff else f"\\u{code:04x}"
