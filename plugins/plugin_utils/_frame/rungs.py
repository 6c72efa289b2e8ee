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
#: Why a rung was not needed; any other word says that it was refused.
_HEALTHY = (why.EARLIER_RUNG_HELPED, why.CHECKS_OK)

Dict = t.Mapping[str, t.Any]


def steps(ladder: Dict, *, approved: t.Sequence[Dict]) -> list[dict[str, t.Any]]:
    """What is included for the rungs that apply, one after the other.

    The files of the first rung of the list are included themselves: it asks nothing, so it costs no more than they do. For every further
    rung it is the file that asks first, also where no rung before it applies: what is meant for the case that less does not help is never
    done to a target that is well. Where none before it applies there is nothing to wait for, and one look is enough.

    Args:
        ladder: of (whose it is), look (the file that asks the checks), checks, wait, down (kinds of error by which a target that lets
            nobody in is known to be down), and rungs: name, files (whether each applies, by its path), here (its tasks stand before the
            loop).
        approved: the rungs that the approved plan states for the host. What it says of checks, time and errors holds, whatever the
            variables say by then.

    Raises:
        BadInput: incident_rung_wait is not a duration.
    """
    parse_duration(str(ladder["wait"]), name="incident_rung_wait")
    stated = {rung.name: rung for rung in map(Rung.from_dict, approved) if rung.of == ladder["of"] and rung.checks}
    found: list[dict[str, t.Any]] = []
    before = ""
    for place, rung in enumerate(ladder["rungs"]):
        name, files = str(rung["name"]), [path for path, applies in rung.get("files", {}).items() if applies is True]
        if files and (place or name in stated):
            found.append(_asking(ladder, name=name, before=before, files=files, said=stated.get(name)))
        else:
            found += [{"include": path, "name": name} for path in files]
        if files or rung.get("here"):
            before = name
    return found


def _asking(ladder: Dict, *, name: str, before: str, files: t.Sequence[str], said: Rung | None) -> dict[str, t.Any]:
    wait = said.wait if said else str(ladder["wait"]) if before else "0s"
    return {
        "include": ASKING, "of": str(ladder["of"]), "name": name, "before": before or str(ladder["rungs"][0]["name"]), "files": list(files),
        "look": str(ladder["look"]), "down": list(said.down if said else ladder.get("down", ())),
        "checks": list(said.checks if said else ladder["checks"]), "wait": wait,
    }


def asks(step: Dict, *, known: t.Sequence[Dict], check_mode: bool) -> bool:
    """Whether the checks are asked before a rung.

    Not in check mode, which plans all rungs; not where one before it was left out. Otherwise always: whether the rungs before it had
    nothing to do, were refused or failed says nothing of how the target is.

    Args:
        step: of steps().
        known: what became of the rungs before it, from kept().
    """
    return not check_mode and _left_out(step, known) is None


def decide(
    step: Dict, *, results: t.Sequence[Dict], known: t.Sequence[Dict], looks: t.Sequence[Dict], check_mode: bool,
) -> dict[str, t.Any]:
    """Whether a rung is run, and why not.

    Args:
        step, known: see asks().
        results: of the mitigating modules of the rungs before it.
        looks: the verdicts of the checks, failed ones too; anything where they were not asked. One that was skipped says nothing.

    Returns:
        Of the step what a plan states; runs; said, a sentence; where it is not run why, a word, and error.
    """
    outcome = {
        **{key: step[key] for key in ("of", "name", "before", "checks", "wait", "down")}, "runs": True, "why": "", "error": "",
        "earlier": sorted(_ids(results)),
    }
    left_out = _left_out(step, known)
    if left_out is not None:
        return {**outcome, "runs": False, **{key: left_out[key] for key in ("why", "error", "said")}}
    if not asks(step, known=known, check_mode=check_mode):
        return {**outcome, "said": f"Rung {step['name']} is planned, for the case that the checks fail."}
    seen = [look for look in looks if look and not look.get("skipped")]
    if any(_fails(look, step) for look in seen):
        return {**outcome, "said": f"Rung {step['name']}: the checks still fail after {step['wait']}: {_failing(seen)}."}
    blind = _blind(step, seen)
    if not blind:
        word = why.EARLIER_RUNG_HELPED if _has_acted(results) else why.CHECKS_OK
        return {**outcome, "runs": False, "why": word, "said": f"Rung {step['name']} is not needed: the checks are ok."}
    error = f"whether it is still needed could not be seen: {blind}"
    return {**outcome, "runs": False, "why": why.CANNOT_LOOK, "error": error, "said": f"Rung {step['name']} is not run: {error}."}


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
        found.append({"of": rung["of"], "name": rung["before"], "checks": [], "wait": "", "down": [], "runs": True, "actions": earlier})
    own = sorted(_ids(results) - already - set(earlier))
    told = {key: rung[key] for key in ("of", "name", "checks", "wait", "down", "runs", "why", "error", "said")}
    return [*found, {**told, "actions": own}]


def planned(known: t.Iterable[Dict]) -> list[Rung]:
    """The rungs of a host for its plan, from kept()."""
    return [
        Rung(**{**{key: one[key] for key in ("of", "name", "wait")}, **{key: tuple(one[key]) for key in ("actions", "checks", "down")}})
        for one in known
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
            outcome = NOT_NEEDED if one["why"] in _HEALTHY else REFUSED
            detail = {"error": one["error"]} if one["error"] else {}
            found += [answered(by_id[identity], outcome, one["why"], **detail) for identity in rung.actions if identity in by_id]
    return found


def still_open(requests: t.Iterable[Dict], *, known: t.Iterable[Dict]) -> list[Dict]:
    """The requests of a host without those that were for a rung which turned out not to be needed.

    Args:
        requests: with `rung`, its of and name, where a rung is to answer it.
        known: what became of the rungs, from kept().
    """
    healthy = [{"of": one["of"], "name": one["name"]} for one in known if one.get("why") in _HEALTHY]
    return [request for request in requests if request.get("rung") not in healthy]


def _left_out(step: Dict, known: t.Iterable[Dict]) -> Dict | None:
    """The rung before it that was not run: what comes later is meant for a world in which that one was tried."""
    return next((one for one in known if one["of"] == step["of"] and not one["runs"]), None)


def _has_acted(results: t.Iterable[Dict]) -> bool:
    """Whether something was done, or may have been."""
    return any(was_touched(action) is not False for result in results for action in result.get("actions", ()))


def _ids(results: t.Iterable[Dict]) -> set[str]:
    return {str(action["id"]) for result in results for action in result.get("actions", ()) if action.get("outcome") == PLANNED}


def _fails(look: Dict, step: Dict) -> bool:
    """Whether a look has read that a check fails, or says that the target is down."""
    error = _error(look)
    return error in step["down"] if error else look.get("healthy") is False


def _blind(step: Dict, seen: t.Sequence[Dict]) -> str:
    """What could not be seen, empty where each check of the condition was asked and is ok."""
    if not step["checks"]:
        return "verify names no check"
    unseen = [_unseen(look) for look in seen if look.get("healthy") is not True]
    asked = {check for look in seen for check in look.get("asked", ())}
    nobody = [check for check in step["checks"] if check not in asked]
    if nobody and not unseen:
        unseen.append(f"nothing has asked {', '.join(nobody)}")
    return "; ".join(unseen)


def _error(look: Dict) -> str:
    """Why a look has not read the checks, in a word, empty where it has.

    A verdict on a target that let nobody in has read nothing but that: it may be down, or the way to it, or still starting.
    """
    if look.get("error") or look.get("reachable") is not False:
        return str(look.get("error") or "")
    return next((str(one["observed"]) for one in look.get("findings", ()) if one.get("check") == "availability"), "unreachable")


def _failing(seen: t.Sequence[Dict]) -> str:
    failing = {text: None for look in seen for text in _not_ok(look, "{check} {status}")}
    told = [str(look["msg"]).rstrip(".") for look in seen if look.get("msg") and look.get("healthy") is not True]
    return ", ".join(failing) or " ".join(told) or "the target is down"


def _unseen(look: Dict) -> str:
    if look.get("reachable") is False:
        return f"the target could not be reached ({_error(look)})"
    unknown = _not_ok(look, "{check}")
    return f"no answer to {', '.join(unknown)}" if unknown else str(look.get("msg") or "the look gave no verdict").rstrip(".")


def _not_ok(look: Dict, form: str) -> list[str]:
    """The checks that were asked and are not ok."""
    asked = look.get("asked", ())
    return [form.format(check=check, status=status) for check, status in sorted((look.get("checks") or {}).items())
            if check in asked and status != "ok"]
