# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of one line of a record.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from .utf8 import cleaned

#: The first keys of every line, in this order; an event's own keys follow.
ENVELOPE = ("seq", "ts", "mono", "type", "run", "segment", "prev")

_SELF = b',"self":"'

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode(event: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of an event, without a newline: UTF-8, no blanks, keys in the given order. What is not UTF-8 is spelled out."""
    try:
        return _dumps(event).encode("utf-8")
    except UnicodeEncodeError:
        return _dumps(cleaned(event)).encode("utf-8")


def sealed_closing_line(data: bytes) -> bytes:
    """The line with a last key `self`: the SHA-256 of the bytes before it.

    No line follows a closing line to carry its hash, so it carries its own.
    """
    body = data[:-1]
    return body + _SELF + hashlib.sha256(body).hexdigest().encode("ascii") + b'"}'


def closing_line_is_whole(raw: bytes) -> bool:
    """Whether a line made by sealed_closing_line() is unchanged."""
    body, _self, rest = raw.rpartition(_SELF)
    return rest == hashlib.sha256(body).hexdigest().encode("ascii") + b'"}'
