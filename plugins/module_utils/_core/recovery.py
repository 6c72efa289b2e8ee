# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a subject has recovered: which checks are not ok, and what is worse than before.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .findings import OK, STATUSES


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is not ok beside the checks that are judged.

    Attributes:
        remaining: not ok, and not worse than before. A check that was not measured before is here too: nobody can say that it got worse.
        new: worse than before.
    """

    remaining: t.Mapping[str, str]
    new: t.Mapping[str, str]


def compare(now: t.Mapping[str, str], *, baseline: t.Mapping[str, str], judged: t.Sequence[str]) -> Comparison:
    """Compare the status by check with what it was at the start.

    Args:
        now: status by check.
        baseline: the same at the start.
        judged: checks whose recovery is judged by themselves: never in `remaining`. One that got worse is in `new` too.
    """
    worse = {check: status for check, status in now.items() if check in baseline and _rank(status) > _rank(baseline[check])}
    remaining = {check: status for check, status in now.items() if status != OK and check not in judged and check not in worse}
    return Comparison(remaining=remaining, new=worse)


def reasons(found: t.Iterable[t.Union[str, t.Mapping[str, t.Any]]]) -> str:
    """One text of all sentences that apply; empty when none does.

    Args:
        found: sentences, of which empty ones do not apply, or mappings with `text` and `there`, which says whether it applies.
    """
    applying = (one if isinstance(one, str) else str(one["text"]) if one["there"] else "" for one in found)
    return " ".join(text.strip() for text in applying if text.strip())


def not_recovered(found: t.Iterable[t.Union[str, t.Mapping[str, t.Any]]]) -> str:
    """All reasons why a subject is not called recovered, as verify says it; empty where there is none.

    Args:
        found: see reasons().
    """
    said = reasons(found)
    return f"Not recovered: {said}" if said else ""


def say_not_recovered(troubled: t.Sequence[str], *, held: bool, waited: t.Optional[float], worse: t.Mapping[str, str]) -> str:
    """Why a subject is not called recovered, in one text; empty when it is.

    Args:
        troubled: what is not ok, in the subject's words.
        held: whether the checks held for long enough.
        waited: for how long it was waited, seconds; None where waiting did not help.
        worse: status of the checks that are worse than at the start.
    """
    within = "" if waited is None else f" within {waited:.0f} s"
    return reasons((
        {"text": f"Not recovered{within}: {', '.join(troubled) or 'the checks did not hold'}.", "there": not held},
        {"text": f"Worse than at the start: {', '.join(_listed(worse))}.", "there": bool(worse)},
    ))


def _listed(statuses: t.Mapping[str, str]) -> list[str]:
    return [f"{check} {status}" for check, status in sorted(statuses.items())]


def _rank(status: str) -> int:
    # A baseline travels through files and variables: a word we do not know must not make things look better.
    return STATUSES.index(status) if status in STATUSES else 0
