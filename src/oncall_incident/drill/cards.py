# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Score cards that are kept, so that a trend shows; and the card as Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration

from ..private import write_private
from ..terminal import markdown, words

#: Drills that the trend shows.
SHOWN = 8
_TIMES = ("detect", "mitigate", "recover")

Json = Mapping[str, Any]


def keep(home: Path, card: Json) -> tuple[Path, Path]:
    """Write a card beside the earlier ones of its drill; the JSON file and the Markdown file."""
    directory = home / "drills" / str(card["drill"])
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = "".join(letter for letter in str(card["started"]) if letter.isalnum())
    data = directory / f"{stem}.json"
    earlier = history(home, str(card["drill"]))
    write_private(data, json.dumps(card, indent=1, sort_keys=True) + "\n")
    page = write_private(directory / f"{stem}.md", render(card, earlier=earlier))
    return data, page


def history(home: Path, drill: str) -> list[dict[str, Any]]:
    """The kept cards of a drill, the oldest first; a file that is none is passed over."""
    found = []
    for path in sorted((home / "drills" / drill).glob("*.json")):
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(card, dict) and card.get("drill") == drill:
            found.append(card)
    return found


def worst_time(card: Json, name: str) -> float | None:
    """The longest of a card's rounds for one of the times."""
    found = [part["times"].get(name) for part in card["rounds"] if part["times"].get(name) is not None]
    return max(found) if found else None


def render(card: Json, *, earlier: Sequence[Json] = ()) -> str:
    """The card in Markdown, with the trend over the earlier ones."""
    lines = [
        f"# Drill {markdown.text(card['drill'])}: {'passed' if card['passed'] else 'FAILED'}", "",
        f"{card['started']} to {card['ended']}, by {markdown.text(card['by'])}, on {markdown.text(', '.join(card['hosts']))}."
        + ("" if card["complete"] else " It was broken off."), "",
    ]
    if card.get("stopped"):
        lines += [f"**Stopped**: {markdown.text(card['stopped'])}", ""]
    if card.get("partial"):
        names = ", ".join(markdown.text(part["name"]) for part in card["rounds"])
        lines += [f"Not the whole drill, only: {names}. It does not enter the trend.", ""]
    for part in card["rounds"]:
        lines += _round(part, card["targets"], card["severity"])
    if not card.get("partial"):
        lines += _trend([*(one for one in earlier if not one.get("partial")), card])
    return "\n".join(lines).rstrip() + "\n"


def _round(part: Json, targets: Json, severity: Json) -> list[str]:
    lines = [f"## {markdown.text(part['name'])}: {'passed' if part['passed'] else 'FAILED'}", ""]
    if part["times"]:
        promised = markdown.text(f"{severity['policy']} {severity['level']}")
        lines += [f"| from the fault to | measured | target | {promised} |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {_seconds(part['times'].get(name))} | {_seconds(targets.get(name))} | {_seconds(severity['limits'].get(name))} |"
            for name in _TIMES
        ] + [""]
    lines += ["| step | | seen |", "|---|---|---|"]
    for step in part["steps"]:
        took = f" ({_seconds(step['seconds'])})" if step["seconds"] is not None else ""
        word = "ok" if step["ok"] else "**FAILED**"
        lines.append(f"| {markdown.text(step['name'])} | {word} | {markdown.text(step['detail'])}{took} |")
    lines += ["", f"Touched: {_counted(part['touched'])}. Not expected: {_counted(part['unexpected'])}."]
    return [*lines, *([f"Runs: {', '.join(markdown.code(run) for run in part['runs'])}."] if part["runs"] else []), ""]


def _counted(actions: Sequence[Json]) -> str:
    counts: dict[str, int] = {}
    for action in actions:
        key = f"{action.get('verb')} on {action.get('host')}"
        counts[key] = counts.get(key, 0) + 1
    return markdown.text(", ".join(f"{number} x {key}" for key, number in counts.items()) or "nothing")


def _trend(cards: Sequence[Json]) -> list[str]:
    if len(cards) < 2:
        return []
    lines = ["## Trend", "", "| drill of | | detect | mitigate | recover |", "|---|---|---|---|---|"]
    for card in cards[-SHOWN:]:
        times = " | ".join(_seconds(worst_time(card, name)) for name in _TIMES)
        word = "stopped" if card.get("stopped") else "passed" if card["passed"] else "FAILED"
        lines.append(f"| {card['started']} | {word} | {times} |")
    # Of one that was broken off the rounds that count may be missing.
    whole = [card for card in cards if card["complete"]]
    medians = []
    for name in _TIMES:
        known = [seconds for card in whole if (seconds := worst_time(card, name)) is not None]
        medians.append(_seconds(statistics.median(known)) if known else "")
    lines += [f"| median of {words.count(len(whole), 'drill')} | | {' | '.join(medians)} |", ""]
    return lines


def _seconds(value: Any) -> str:
    return "" if value is None else format_duration(float(value))
