# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The post-mortem's draft: what the record knows is filled in, what somebody has to judge is a marked blank.

The sections are those that the five guides of the reference systems ask for, in one order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import clock

Json = Mapping[str, Any]
#: Facts of one kind beyond this are in the report above.
MOST = 12


def draft(content: Json) -> list[dict[str, Any]]:
    """The sections: title, facts (text and ref) and blanks (what to judge).

    Args:
        content: of a report, see content.py and incident.py.
    """
    return [
        _section("Summary", _summary(content), ["In two or three sentences: what happened, and what did users notice?"]),
        _section("Timeline (all times in UTC)", _timeline(content), _untimed(content)),
        _section(
            "Impact",
            _impact(content),
            [
                "Users affected: number or share",
                "Services affected, as users would name them",
                "Data lost or changed wrongly: yes or no, and which",
                "Financial impact: an estimate, or none",
            ],
        ),
        _section("Root cause", _causes(content), ["Why did it happen? The findings above are symptoms until somebody has said so."]),
        _section("Contributing factors", _factors(content), ["What made it possible, likelier, or worse?"]),
        _section("Resolution: actions taken", _done(content), ["Steps taken outside of these runs"]),
        _section("What went well", _well(content), ["What else went well?"]),
        _section("What could be improved", _improve(content), ["What was slow, missing, or luck?"]),
        _section(
            "Lessons learned", [], ["What do we know now that we did not know before?", "Process: detection, response, communication"]
        ),
        _section("Action items", _items(content), ["[ ] ............ owner: ............ due: ............"] * 3),
    ]


def _section(title: str, facts: Sequence[tuple[str, str]], blanks: Sequence[str]) -> dict[str, Any]:
    return {"title": title, "facts": [{"text": text, "ref": ref} for text, ref in facts], "blanks": list(blanks)}


def _more(facts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    rest = len(facts) - MOST
    return facts if rest <= 0 else [*facts[:MOST], (f"and {rest} more; see above", "")]


def _summary(content: Json) -> list[tuple[str, str]]:
    facts = [
        (f"Date: {clock.date_and_time(content['started'])[:10]}", ""),
        (f"Time: {clock.time_of_day(content['started'])} to {clock.time_of_day(content['ended'])} UTC", ""),
        (f"Duration: {content['took']}", ""),
    ]
    if content.get("severity"):
        facts.append((f"Severity: {content['severity']}", ""))
    if content.get("commander"):
        facts.append((f"Incident commander: {content['commander']}", ""))
    elif content["runs"]:
        responders = list(dict.fromkeys(str(run["by"]) for run in content["runs"] if run["by"]))
        facts.append((f"Responders: {', '.join(responders)}", ""))
    return [*facts, (f"Outcome: {content['headline']['label']}. {content['headline']['sentence']}", "")]


def _timeline(content: Json) -> list[tuple[str, str]]:
    moments = [
        (clock.seconds(item["at"]) or 0.0, f"{clock.date_and_time(item['at'])} {str(item['name']).replace('_', ' ')}", item.get("ref", ""))
        for item in content["milestones"]
    ]
    for run in content["runs"]:
        label = f"run {run['number']}" if run["number"] else "the run"
        moments.append(
            (
                clock.seconds(run["started"]) or 0.0,
                f"{clock.date_and_time(run['started'])} {label} started: {run['scenario'] or 'playbook'}",
                "",
            )
        )
        if run["approval"]:
            word = "approved" if run["approval"]["granted"] else "refused"
            moments.append((clock.seconds(run["approval"]["at"]) or 0.0,
                            f"{clock.date_and_time(run['approval']['at'])} plan {word} by {run['approval']['by']}", run["approval"]["ref"]))
        moments.append((clock.seconds(run["ended"]) or 0.0, f"{clock.date_and_time(run['ended'])} {label} ended: {run['outcome']}", ""))
    return _more([(text, ref) for _at, text, ref in sorted(moments)])


def _untimed(content: Json) -> list[str]:
    known = {str(item["name"]) for item in content["milestones"]}
    asked = (("detected", "Detected: when, and by whom or by which alert"), ("acknowledged", "Acknowledged: when, and by whom"),
             ("resolved", "Resolved: when service was normal again"))
    return [text for name, text in asked if name not in known] + ["Root cause identified: when"]


def _impact(content: Json) -> list[tuple[str, str]]:
    hosts = sorted({str(item["host"]) for item in content["findings"]})
    facts = [(f"Services: {', '.join(content['services'])}", "")] if content.get("services") else []
    if hosts:
        facts.append((f"Hosts with problems: {', '.join(hosts[:MOST])}{' and more' if len(hosts) > MOST else ''}", ""))
    ended = sum(1 for item in content["actions"] if item["changed"])
    if ended:
        facts.append((f"The mitigation itself ended or changed {ended}; see the actions", ""))
    return facts


def _causes(content: Json) -> list[tuple[str, str]]:
    return _more(
        [
            (
                f"{item['host']}: {item['check']} {item.get('subject') or ''} was {item['status']}: {item['value']}".replace("  ", " "),
                item["ref"],
            )
            for item in content["findings"]
            if item["status"] == "critical"
        ]
    )


def _factors(content: Json) -> list[tuple[str, str]]:
    return _more(
        [
            (
                f"{item['host']}: {item['check']} {item.get('subject') or ''} was {item['status']}: {item['value']}".replace("  ", " "),
                item["ref"],
            )
            for item in content["findings"]
            if item["status"] != "critical"
        ]
    )


def _done(content: Json) -> list[tuple[str, str]]:
    return _more([(f"{item['host']}: {item['verb']} {item['whom']}: {item['outcome']}. Why: {item['reason']}", item["ref"])
                  for item in content["actions"] if item["changed"]])


def _well(content: Json) -> list[tuple[str, str]]:
    facts = []
    met = [target for target in content["targets"] if target["state"] == "met"]
    facts += [(f"Time to {target['name']}: {target['actual']}, target {target['target']}", "") for target in met]
    better = [row for row in content["changed_checks"] if row["after"]["status"] == "ok"]
    if better:
        facts.append((f"Measured healthy again: {', '.join(sorted({str(row['check']) for row in better}))}", ""))
    if content["spared"]:
        facts.append((f"Spared on purpose: {len(content['spared'])}", ""))
    return facts


def _improve(content: Json) -> list[tuple[str, str]]:
    facts = [(f"Time to {target['name']}: {target['actual']}, target {target['target']} missed", "") for target in content["targets"]
             if target["state"] == "missed"]
    facts += [(f"Not measured: {item['host']}", "") for item in content["not_measured"]]
    facts += [(f"Failed on {item['host']}: {item['task']}", item["ref"]) for item in content["failures"]]
    facts += [(f"Outcome unknown on {item['host']}: {item['task']}", item["ref"]) for item in content["unanswered"]]
    facts += [(f"Could not be checked on {item['host']}: {item['check']} ({item['reason']})", item["ref"]) for item in content["skipped"]]
    return _more(list(dict.fromkeys(facts)))


def _items(content: Json) -> list[tuple[str, str]]:
    """The hints of what is still not ok: suggestions, for somebody to take or drop."""
    bad = {(row["host"], row["check"], row["subject"]) for row in content["changed_checks"] if row["after"]["status"] not in ("ok", "")}
    unmeasured = {(row["host"], row["check"], row["subject"]) for row in content["changed_checks"] if not row["after"]["status"]}
    hints = [(f"[ ] {item['hint']} ({item['host']}, {item['check']})", item["ref"]) for item in content["findings"]
             if item.get("hint") and (item["host"], item["check"], item.get("subject") or "") in bad | unmeasured]
    return _more(list(dict.fromkeys(hints)))
