# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server does not have, so that a check does not apply to it. Nothing else may be left out of a verdict.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import NOT_APPLICABLE, Skipped

#: Every reason for which a check does not apply. A check that fails for any other reason could not be looked at.
ABSENT: t.Mapping[str, str] = {
    "standby_does_not_vacuum": "a standby does not vacuum and counts no dead rows",
    "standby_shows_no_prepared_transactions": "a standby does not show prepared transactions",
    "standby_does_not_archive": "a standby archives no WAL unless archive_mode is always",
    "standby_has_the_primarys_indexes": "a standby has the indexes of its primary and counts only its own use of them",
    "counted_too_briefly": "what is used is not counted for long enough to judge it",
    "not_installed": "the extension pg_stat_statements is not in the database that is looked at",
}


def does_not_apply(check: str, code: str, *, of: str = "", hint: str = "Look at the primary.") -> Skipped:
    """The check as one that does not apply.

    Args:
        code: key of ABSENT.
        of: what it is said of, such as the database.
    """
    return Skipped(check, f"{code}: {ABSENT[code]}{f' ({of})' if of else ''}", hint, NOT_APPLICABLE)
