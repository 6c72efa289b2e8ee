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
from .protection import Policy, marks_of, protections
from .rules import Rule
from .sessions import fingerprint

#: The least text of each code of marks_of().
_LEAST: t.Mapping[str, str] = {
    "utility_statement": "vacuum", "began_backup": "pg_backup_start()", "keep_comment": "/* incident:keep */",
}


def recalled(
    backends: t.Iterable[Backend], prepared: t.Sequence[PreparedTransaction], *, rules: t.Sequence[Rule], policy: Policy,
) -> tuple[list[Backend], int]:
    """The sessions without what the choice does not need, and of how many that changes the choice.

    Args:
        prepared: of which a session that waits for the standby may name one.
    """
    reading = [rule for rule in rules if rule.reads_query]
    grouped = any(rule.group_by == "query_id" for rule in rules)
    found, changed = [], 0
    for one in backends:
        text = hide_passwords(one.query)[:QUERY_SHOWN] if reading else _least(one, prepared)
        kept = dataclasses.replace(one, query=text, query_id=_query_id(one) if grouped else None)
        # A secret in the text is a matter of what is shown, and the rest of a long one may have decided.
        changed += bool(reading) and text != one.query and _decides(one, prepared, reading, policy) != _decides(
            kept, prepared, reading, policy)
        found.append(kept)
    return found, changed


def _least(one: Backend, prepared: t.Sequence[PreparedTransaction]) -> str:
    if not one.query:
        return ""
    words = [_LEAST[mark] for mark in marks_of(one)]
    return " ".join([*words, *(f"PREPARE TRANSACTION '{gid}'" for gid in _named(one, prepared))])


def _named(one: Backend, prepared: t.Sequence[PreparedTransaction]) -> list[str]:
    return [transaction.quoted for transaction in prepared if transaction.is_finished_by(one)]


def _query_id(one: Backend) -> t.Optional[int]:
    """What groups it: where the server computes none, a number that stands for the text without its constants."""
    if one.query_id is not None or not one.query:
        return one.query_id
    return int(hashlib.sha256(fingerprint(one.query).encode("utf-8", "surrogatepass")).hexdigest()[:15], 16)


def _decides(one: Backend, prepared: t.Sequence[PreparedTransaction], reading: t.Sequence[Rule], policy: Policy) -> tuple[t.Any, ...]:
    """Everything that its text decides."""
    return protections(one, policy), [rule.passes_filters(one) for rule in reading], _named(one, prepared)
