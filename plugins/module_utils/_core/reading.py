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


@dataclasses.dataclass(frozen=True)
class Reading:
    """The keys of one mapping. A key without a default must be there.

    Attributes:
        what: what the mapping is, for errors: action, finding, ...
    """

    what: str
    data: t.Mapping[str, t.Any]

    def text(self, key: str, default: t.Optional[str] = None) -> str:
        """A string; what is null is as if it were not there."""
        return str(self._value(key, default, (str,), "a string"))

    def mapping(self, key: str, default: t.Optional[t.Mapping[str, t.Any]] = None) -> dict[str, t.Any]:
        """A mapping."""
        return dict(self._value(key, default, (t.Mapping,), "a mapping"))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list, its members as strings."""
        return tuple(str(item) for item in self._value(key, None, (list, tuple), "a list"))

    def _value(self, key: str, default: t.Any, kinds: tuple[t.Any, ...], kind: str) -> t.Any:
        value = self.data.get(key)
        if value is None:
            value = default
        if value is None:
            raise BadInput(f"{self.what}: {key} is missing.", hint="It was not written by a module of this contract.", key=key)
        if not isinstance(value, kinds):
            raise BadInput(f"{self.what}: {key} is {type(value).__name__}, not {kind}.", hint="It was not written by a module of this "
                           "contract.", key=key)
        return value
