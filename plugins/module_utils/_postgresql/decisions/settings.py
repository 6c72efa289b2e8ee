# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's time settings as seconds, and where its settings put the log.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

#: What bounds a statement, an idle transaction, a transaction.
TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
#: https://www.postgresql.org/docs/current/config-setting.html: units are case-sensitive; 1000 is ms for the timeouts.
_SECONDS = {"us": 1e-6, "ms": 1e-3, "": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_VALUE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)\s*\Z")


def parse_setting(text: t.Optional[str]) -> t.Optional[float]:
    """Turn a time setting whose bare numbers are milliseconds into seconds: `60s`, `5min`, `500`; None where it is none."""
    match = _VALUE.match(str(text or "").strip("'\""))
    return round(float(match.group(1)) * _SECONDS[match.group(2)], 6) if match else None


def log_path(settings: t.Mapping[str, t.Any], *, data_directory: str, configured: str = "") -> str:
    """Where the server writes its log; empty when that is not known.

    Args:
        settings: as pg_health returns them. Only a log of the server's own collector is a file in a known place.
        data_directory: a relative directory of the log is below it.
        configured: the operator's word, which goes before all.
    """
    directory = settings.get("log_directory") or ""
    if configured or not data_directory or not directory or settings.get("logging_collector") != "on":
        return configured
    return posixpath.join(data_directory, directory)
