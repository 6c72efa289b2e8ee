# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to ban, and who must be kept out after that.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.actions import DONE, NOT_NEEDED
from ..._core.words import words_list


def attackers(
    named: t.Union[str, t.Sequence[str]], *, worst: t.Iterable[t.Mapping[str, t.Any]], min_failures: int,
) -> list[str]:
    """Whom to ban: those that were named, then the worst of the logs, each once.

    Args:
        named: addresses and networks, a list or text with commas.
        worst: addresses with their number of failed logins, the worst first.
        min_failures: so many make an attacker.
    """
    found = [str(one["address"]) for one in worst if one["failed"] >= int(min_failures)]
    return list(dict.fromkeys([*words_list(named), *found]))


def kept_out(actions: t.Iterable[t.Mapping[str, t.Any]], *, named: t.Union[str, t.Sequence[str]]) -> list[str]:
    """Who must be kept out now: whom this run banned or found banned; without any, those that were named.

    Args:
        actions: of the run so far.
        named: addresses and networks, a list or text with commas.
    """
    banned = [action["target"]["address"] for action in actions
              if action.get("verb") == "ban" and action.get("outcome") in (DONE, NOT_NEEDED)]
    return list(dict.fromkeys(banned)) or words_list(named)
