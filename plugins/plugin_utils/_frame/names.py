# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variable names that are almost ours, and names that others use for the same: found before anything runs.

This plugin util is PRIVATE to the collection: it may change at any time.

Ansible ignores a variable that nobody reads, so `postgres_max_victim: 2` would silently leave the limit at its default,
and `postgres_host: db2` would leave the look at the local socket.
"""

from __future__ import annotations

import typing as t

from ...module_utils._core.suggest import nearest

#: How alike two names must be (from 0 to 1, over the part after the prefix) to be taken for a slip of the finger.
ALIKE = 0.8
#: How many hosts a sentence names.
MOST_HOSTS = 5


def near_misses(given: t.Iterable[str], *, known: t.Collection[str], prefix: str) -> dict[str, str]:
    """Find the names that are almost one of ours.

    Args:
        given: all variable names of a host.
        known: the documented names.
        prefix: only names beginning with it are looked at, for example `postgres_`.

    Returns:
        Documented name by misspelt name. Names that resemble none of ours belong to other people and are left alone.
    """
    tails = {name[len(prefix):]: name for name in sorted(known) if name.startswith(prefix)}
    found: dict[str, str] = {}
    for name in sorted(set(given) - set(known)):
        if name.startswith(prefix) and (meant := _meant(name[len(prefix):], tails)):
            found[name] = meant
    return found


def not_read(given: t.Collection[str], *, others: t.Mapping[str, str]) -> dict[str, str]:
    """Find the names that others use for what we call differently.

    Args:
        given: all variable names of a host.
        others: our name by theirs, see specs.load_other_names().

    Returns:
        Our name by theirs, but for those where ours is given too: theirs then belongs to somebody else.
    """
    return {name: others[name] for name in sorted(set(given) & set(others)) if others[name] not in given}


def say_not_read(name: str, ours: str, hosts: t.Sequence[str] = ()) -> str:
    """The sentence about a name that not_read() found.

    Args:
        hosts: that have it; none where it is everybody's, as an extra variable is.
    """
    more = f" and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else ""
    where = f" ({', '.join(hosts[:MOST_HOSTS])}{more})" if hosts else ""
    return f"{name}{where} is not read by oncall.incident; set {ours} (set it as well if {name} belongs to another role)."


def _meant(tail: str, tails: t.Mapping[str, str]) -> str | None:
    words = sorted(tail.split("_"))
    for known, name in tails.items():
        if sorted(known.split("_")) == words or known.replace("_", "") == tail.replace("_", ""):
            return name
    close = nearest(tail, tails, likeness=ALIKE)
    return tails[close] if close else None
