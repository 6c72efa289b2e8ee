# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phases of a run, in their order: tags of its plays, and what events say of where they are from.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

INVESTIGATE, MITIGATE, VERIFY = PHASES = ("investigate", "mitigate", "verify")
