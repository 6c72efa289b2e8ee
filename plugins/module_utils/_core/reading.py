# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the data of a contract back into its type.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .errors import BadInput

_HINT = "See the contract of the module that returned it."


@dataclasses.dataclass(frozen=True)
class Reading:
    """The keys of one mapping. A key that is null is as if it were not there; one without a default must be there.

    Attributes:
        what: what the mapping is, for errors: action, finding, ...
    """

    what: str
    data: t.Mapping[str, t.Any]

    def __post_init__(self) -> None:
        if not isinstance(self.data, t.Mapping):
            raise BadInput(f"{self.what}: it is {type(self.data).__name__}, not a mapping.", hint=_HINT)

    def text(self, key: str, default: t.Optional[str] = None) -> str:
        """A string. Any other value is said as one: a record keeps a long text elsewhere, and a reference to it here."""
        value = self.data.get(key)
        if value is None and default is None:
            raise self._error(key, "is missing")
        return str(default if value is None else value)

    def filled(self, key: str) -> str:
        """A string that is not empty."""
        value = self.text(key)
        if not value:
            raise self._error(key, "is empty")
        return value

    def mapping(self, key: str, default: t.Optional[t.Mapping[str, t.Any]] = None) -> dict[str, t.Any]:
        """A mapping; the default where it is anything else."""
        value = self.data.get(key)
        if isinstance(value, t.Mapping):
            return dict(value)
        if default is None:
            raise self._error(key, "is missing" if value is None else "is not a mapping")
        return dict(default)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list, its members as strings."""
        value = self.data.get(key)
        if not isinstance(value, (list, tuple)):
            raise self._error(key, "is missing" if value is None else "is not a list")
        return tuple(str(item) for item in value)

    def _error(self, key: str, why: str) -> BadInput:
        return BadInput(f"{self.what}: {key} {why}.", hint=_HINT, key=key)
