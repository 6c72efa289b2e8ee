# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rungs of a mitigation: which there are, and whether the next one is run.

This plugin util is PRIVATE to the collection: it may change at any time.

A role states its list, the ladder; roles/incident/tasks/rungs.yml runs it.
"""

from __future__ import annotations

import typing as t

from ...module_utils._core import why
from ...module_utils._core.acting import answered
from ...module_utils._core.actions import NOT_NEEDED, PLANNED, REFUSED, Action, Approved, was_touched
from ...module_utils._core.durations import parse_duration
from ...module_utils._core.plan import Rung

#: The file that asks before it runs a rung; its path as tasks of any role of the collection find it.
ASKING = "../../incident/tasks/next_rung.yml"

Dict = t.Mapping[str, t.Any]


def steps(ladder: Dict, *, approved: t.Sequence[Dict]) -> list[dict[str, t.Any]]:
    """What is included for the rungs that apply, one after the other.

    The files of the first rung are included themselves: it asks nothing, so it costs no more than they do. For every further rung it is
    the file that asks first.

    Args:
        ladder: of (whose it is), look (the file that asks the checks), checks, wait, down (errors of the look that say that the target
            is down), and rungs: name, files (whether each applies, by its path), here (its tasks stand before the loop).
        approved: the rungs that the approved plan states for the host. What it says holds: a rung that was approved with a condition
            keeps it, although the rung before has nothing to do any more.

    Raises:
        BadInput: incident_rung_wait is not a duration.
    """
    parse_duration(str(ladder["wait"]), name="incident_rung_wait")
    stated = {rung.name: rung for rung in map(Rung.from_dict, approved) if rung.of == ladder["of"] and rung.checks}
    found: list[dict[str, t.Any]] = []
    before = ""
    for rung in ladder["rungs"]:
        name, files = str(rung["name"]), [path for path, applies in rung.get("files", {}).items() if applies is True]
        if files and (before or name in stated):
            found.append(_asking(ladder, name=name, before=before, files=files, said=stated.get(name)))
        else:
            found += [{"include": path, "name": name} for path in files]
        if files or rung.get("here"):
            before = name
    return found


def _asking(ladder: Dict, *, name: str, before: str, files: t.Sequence[str], said: Rung | None) -> dict[str, t.Any]:
    return {
        "include": ASKING, "of": str(ladder["of"]), "name": name, "before": before, "files": list(files), "look": str(ladder["look"]),
        "down": list(ladder.get("down", ())), "checks": list(said.checks if said else ladder["checks"]),
        "wait": said.wait if said else str(ladder["wait"]), "approved": said is not None,
    }


def asks(step: Dict, *, results: t.Iterable[Dict], known: t.Sequence[Dict], check_mode: bool) -> bool:
    """Whether the checks are asked before a rung.

    Not in check mode, which plans all rungs; not where no rung before it has done anything, so that it is the first; not where one before
    it was left out.

    Args:
        step: of steps().
        results: of the mitigating modules of the rungs before it.
        known: what became of the rungs before it, from kept().
    """
    return not check_mode and _left_out(step, known) is None and (step["approved"] or _has_acted(results))


def decide(step: Dict, *, results: t.Sequence[Dict], known: t.Sequence[Dict], look: Dict, check_mode: bool) -> dict[str, t.Any]:
    """Whether a rung is run, and why not.

    Args:
        step, results, known: see asks().
        look: the verdict of the checks, a failed one too; anything where they were not asked.

    Returns:
        Of the step what a plan states; runs; said, a sentence; where it is not run why, a word, and error.
    """
    outcome = {
        **{key: step[key] for key in ("of", "name", "before", "checks", "wait")}, "runs": True, "why": "", "error": "",
        "earlier": sorted(_ids(results)),
    }
    left_out = _left_out(step, known)
    if left_out is not None:
        return {**outcome, "runs": False, **{key: left_out[key] for key in ("why", "error", "said")}}
    if not asks(step, results=results, known=known, check_mode=check_mode):
        return {**outcome, "said": f"Rung {step['name']}: nothing has been done before it."}
    healthy, error = look.get("healthy"), str(look.get("error") or "")
    if healthy is True:
        return {**outcome, "runs": False, "why": why.EARLIER_RUNG_HELPED, "said": f"Rung {step['name']} is not needed: the checks are ok."}
    if healthy is False or error in step["down"]:
        return {**outcome, "said": f"Rung {step['name']}: the checks still fail after {step['wait']}: {_failing(look)}."}
    blind = f"whether it is still needed could not be seen: {_unseen(look)}"
    return {**outcome, "runs": False, "why": why.CANNOT_LOOK, "error": blind, "said": f"Rung {step['name']} is not run: {blind}."}


def kept(known: t.Sequence[Dict], *, rung: Dict, results: t.Sequence[Dict]) -> list[dict[str, t.Any]]:
    """What is known of the rungs of a host, with a further one.

    Args:
        known: what was known.
        rung: from decide().
        results: of the mitigating modules so far, its own among them.
    """
    found = [dict(one) for one in known]
    already = {identity for one in found if one["of"] == rung["of"] for identity in one["actions"]}
    earlier = [identity for identity in rung["earlier"] if identity not in already]
    if earlier:
        # The first rung, which nobody had to ask about.
        found.append({"of": rung["of"], "name": rung["before"], "checks": [], "wait": "", "runs": True, "actions": earlier})
    own = sorted(_ids(results) - already - set(earlier))
    return [*found, {**{key: rung[key] for key in ("of", "name", "checks", "wait", "runs", "why", "error", "said")}, "actions": own}]


def planned(known: t.Iterable[Dict]) -> list[Rung]:
    """The rungs of a host for its plan, from kept()."""
    return [
        Rung(of=one["of"], name=one["name"], actions=tuple(one["actions"]), checks=tuple(one["checks"]), wait=one["wait"]) for one in known
    ]


def answers(approved: t.Iterable[Approved], *, stated: t.Iterable[Dict], known: t.Iterable[Dict]) -> list[Action]:
    """The answers to the approved actions of the rungs that were not run.

    Args:
        approved: the actions of the host that the plan approves.
        stated: the rungs of the host that the plan states.
        known: what became of the rungs, from kept().
    """
    by_id = {one.id: one for one in approved}
    left_out = {(one["of"], one["name"]): one for one in known if not one["runs"]}
    found = []
    for rung in map(Rung.from_dict, stated):
        one = left_out.get((rung.of, rung.name))
        if one is not None:
            outcome = NOT_NEEDED if one["why"] == why.EARLIER_RUNG_HELPED else REFUSED
            detail = {"error": one["error"]} if one["error"] else {}
            found += [answered(by_id[identity], outcome, one["why"], **detail) for identity in rung.actions if identity in by_id]
    return found


def _left_out(step: Dict, known: t.Iterable[Dict]) -> Dict | None:
    """The rung before it that was not run: what comes later is meant for a world in which that one was tried."""
    return next((one for one in known if one["of"] == step["of"] and not one["runs"]), None)


def _has_acted(results: t.Iterable[Dict]) -> bool:
    """Whether something was done, or may have been."""
    return any(was_touched(action) is not False for result in results for action in result.get("actions", ()))


def _ids(results: t.Iterable[Dict]) -> set[str]:
    return {str(action["id"]) for result in results for action in result.get("actions", ()) if action.get("outcome") == PLANNED}


def _failing(look: Dict) -> str:
    failing = [f"{check} {status}" for check, status in sorted((look.get("checks") or {}).items())
               if check in look.get("asked", ()) and status != "ok"]
    return ", ".join(failing) or str(look.get("msg") or "the target is down").rstrip(".")


def _unseen(look: Dict) -> str:
    unknown = [check for check, status in sorted((look.get("checks") or {}).items()) if check in look.get("asked", ()) and status != "ok"]
    return f"no answer to {', '.join(unknown)}" if unknown else str(look.get("msg") or "the look gave no verdict").rstrip(".")
