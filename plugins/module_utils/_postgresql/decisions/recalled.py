# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions as a record keeps them so that the choice among them can be made again: without the texts of their queries.

This module util is PRIVATE to the collection: it may change at any time.

A text may hold what nobody wrote a rule about. What protects a session in its text is kept as the least text that protects it so, and
what groups it as a number. Only where a rule reads the texts they are kept, as they are shown elsewhere: without passwords, and cut.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .backends import QUERY_SHOWN, Backend, PreparedTransaction
from .evidence import hide_passwords
from .protection import Policy, protections
from .rules import Rule
from .sessions import fingerprint

#: The least text of each code of protections() that is a matter of the text.
_LEAST: t.Mapping[str, str] = {
    "utility_statement": "vacuum", "began_backup": "pg_backup_start()", "keep_comment": "/* incident:keep */",
}


@dataclasses.dataclass(frozen=True)
class Recalling:
    """What sessions were chosen by, as far as it decides what of them is kept.

    Attributes:
        reasons: why each one is spared, by pid.
        prepared: of which a session that waits for the standby may name one.
    """

    rules: t.Sequence[Rule]
    policy: Policy
    reasons: t.Mapping[int, t.Sequence[str]]
    prepared: t.Sequence[PreparedTransaction] = ()

    @property
    def reading(self) -> list[Rule]:
        """The rules that read the texts of queries."""
        return [rule for rule in self.rules if rule.reads_query]

    def kept(self, one: Backend) -> Backend:
        """The session without what the choice does not need."""
        grouped = any(rule.group_by == "query_id" for rule in self.rules)
        text = _shown(one) if self.reading else self._least(one)
        return dataclasses.replace(one, query=text, query_id=_query_id(one) if grouped else None)

    def changed(self, backends: t.Iterable[Backend]) -> int:
        """Of how many of them the rest of a long text, or what was taken out of it, would decide."""
        if not self.reading:
            return 0
        return sum(_shown(one) != one.query and self._decides(one) != self._decides(self.kept(one)) for one in backends)

    def _least(self, one: Backend) -> str:
        words = [_LEAST[reason] for reason in self.reasons.get(one.pid, ()) if reason in _LEAST]
        return " ".join([*words, *(f"PREPARE TRANSACTION '{name}'" for name in self._named(one))])

    def _named(self, one: Backend) -> list[str]:
        return [transaction.quoted for transaction in self.prepared if transaction.is_finished_by(one)]

    def _decides(self, one: Backend) -> tuple[t.Any, ...]:
        """Everything that its text decides."""
        return protections(one, self.policy), [rule.passes_filters(one) for rule in self.reading], self._named(one)


def _shown(one: Backend) -> str:
    return hide_passwords(one.query)[:QUERY_SHOWN]


def _query_id(one: Backend) -> t.Optional[int]:
    """What groups it: where the server computes none, a number that stands for the text without its constants."""
    if one.query_id is not None or not one.query:
        return one.query_id
    return int(hashlib.sha256(fingerprint(one.query).encode("utf-8", "surrogatepass")).hexdigest()[:15], 16)
