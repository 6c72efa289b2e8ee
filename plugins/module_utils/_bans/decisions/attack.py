# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to ban, and who must be kept out after that.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.actions import DONE, NOT_NEEDED
from ..._core.addresses import Span, read_network
from ..._core.words import words_list

#: So many addresses of a network must have guessed before it is banned as one: a provider gives a whole /64 to one customer.
FEWEST = {4: 5, 6: 2}


def attackers(
    named: t.Union[str, t.Sequence[str]], *, worst: t.Iterable[t.Mapping[str, t.Any]], min_failures: int,
    networks: t.Optional[t.Iterable[t.Mapping[str, t.Any]]] = None, max_networks: int = 0,
) -> list[str]:
    """Whom to ban: those that were named, then the worst addresses of the logs, then networks, each once.

    An address that logs in more often than it fails, or by keys alone, is not an attacker. A network is banned where its addresses fail too
    seldom to be banned one by one and often enough together, there are several of them, and nobody logs in from there.

    Args:
        named: addresses and networks, a list or text with commas.
        worst: addresses with their number of failed logins, the worst first.
        min_failures: so many make an attacker.
        networks: what the addresses of each network did together, the worst first.
        max_networks: how many networks may be among them.
    """
    enough = int(min_failures)
    many = [one for one in worst if guesses(one) >= enough]
    found = [str(one["address"]) for one in many if is_attacker(one)]
    alone = [(span_of(str(one["address"])), guesses(one)) for one in many]
    spread = [str(one["network"]) for one in networks or () if one["guesses"] >= enough and _is_of_use(one, alone, enough)]
    return list(dict.fromkeys([*words_list(named), *found, *spread[:max(int(max_networks), 0)]]))


def guesses(one: t.Mapping[str, t.Any]) -> int:
    """How often an address of `worst` guessed; records from before that was told have its failures alone."""
    return int(one.get("guesses", one["failed"]))


def is_attacker(one: t.Mapping[str, t.Any]) -> bool:
    """Whether an address of `worst` may be banned for its guesses."""
    return bool(one.get("attacker", True))


class Among:
    """Addresses and networks, of which it is asked whether one holds another."""

    def __init__(self, texts: t.Iterable[str]) -> None:
        self._spans = list({Span.of(one) for one in map(read_network, texts) if one is not None})

    def __contains__(self, text: str) -> bool:
        return self.holds(span_of(text))

    def holds(self, wanted: t.Optional[Span]) -> bool:
        """Whether one of them holds all of a range."""
        return wanted is not None and any(span.covers(wanted) for span in self._spans)


def span_of(text: str) -> t.Optional[Span]:
    """The range that an address or network is."""
    network = read_network(text)
    return None if network is None else Span.of(network)


def _is_of_use(network: t.Mapping[str, t.Any], alone: t.Sequence[tuple[t.Optional[Span], int]], enough: int) -> bool:
    """Whether a network is to be banned as one.

    Args:
        alone: who is banned by himself, with his guesses.
    """
    where = str(network["network"])
    inside = Among([where])
    rest = network["guesses"] - sum(count for span, count in alone if inside.holds(span))
    fewest = FEWEST[6 if ":" in where else 4]
    return not network["accepted"] and network["addresses"] >= fewest and rest >= enough


def kept_out(
    actions: t.Iterable[t.Mapping[str, t.Any]], *, named: t.Union[str, t.Sequence[str]], found: t.Optional[t.Sequence[str]] = None,
    banned: t.Optional[t.Mapping[str, t.Any]] = None, never_ban: t.Union[str, t.Sequence[str], None] = None,
) -> list[str]:
    """Who must be kept out now: whom this run banned or found banned; without any, those that were named or found.

    Args:
        actions: of the run so far.
        named: addresses and networks, a list or text with commas.
        found: attackers that the logs show. They count where nothing of this run was to ban them.
        banned: what fail2ban_ban returned; empty where it was not asked.
        never_ban: who is not among these.
    """
    done = [action["target"]["address"] for action in actions
            if action.get("verb") == "ban" and action.get("outcome") in (DONE, NOT_NEEDED)]
    friends = Among(words_list(never_ban or ()))
    shown = [] if banned else [one for one in found or () if one not in friends]
    return list(dict.fromkeys(done)) or list(dict.fromkeys([*words_list(named), *shown]))
