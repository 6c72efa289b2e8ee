# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFO by field name, for those who look for it beside the connection; the parser is in _core, since every decision needs it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .decisions.info import flavor, integer, keyspace, number, pairs, parse_info, replicas

__all__ = ["flavor", "integer", "keyspace", "number", "pairs", "parse_info", "replicas"]
