# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key `where` of a service, read by its runtime: what is misspelt there is an error, and not left out.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import BadInput
from ..._core.suggest import suggest
from ..._core.words import command_words
from .services import Service

_QUOTES = ("'", '"', "\\")


@dataclasses.dataclass(frozen=True)
class Where:
    """What a service says there.

    Attributes:
        texts: by key; empty where it says nothing.
        commands: by key, as words; empty where it says nothing.
        flags: by key; false where it says nothing.
    """

    texts: t.Mapping[str, str]
    commands: t.Mapping[str, list[str]]
    flags: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)


def read_where(
    service: Service, *, texts: t.Sequence[str] = (), commands: t.Sequence[str] = (), flags: t.Sequence[str] = (),
) -> Where:
    """Read it.

    Args:
        texts: the keys that are a text.
        commands: the keys that are a command, in a list of words or in a text without quotes.
        flags: the keys that are true or false.

    Raises:
        BadInput: it has another key, or a value of another type.
    """
    place, known = f"service {service.name}: where", (*texts, *commands, *flags)
    for key in service.where:
        if key not in known:
            raise BadInput(
                f"{place} has the key {key}, which runtime {service.runtime} does not know.",
                hint=f"{suggest(str(key), known)}The keys are {', '.join(sorted(known))}.",
            )
    return Where(
        texts={key: _text(f"{place}.{key}", service.where.get(key)) for key in texts},
        commands={key: _command(f"{place}.{key}", service.where.get(key)) for key in commands},
        flags={key: _flag(f"{place}.{key}", service.where.get(key)) for key in flags},
    )


def _text(place: str, value: t.Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(f"{place} is not a text.", hint="Put it between quotes.")
    return value


def _flag(place: str, value: t.Any) -> bool:
    if not isinstance(value or False, bool):
        raise BadInput(f"{place} is neither true nor false.", hint="Write true or false.")
    return bool(value)


def _command(place: str, value: t.Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) and not any(quote in value for quote in _QUOTES):
        return command_words(value)
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise BadInput(f"{place} is not a command.", hint="Give it as a list of words, each a text: [sv, status, web].")
    return list(value)
