# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident init`: five questions, each answer tried at once, and an inventory of them."""

from __future__ import annotations

import dataclasses
import getpass
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from ..errors import Stop
from ..exits import Exit
from ..running.collection import Collection
from ..setup import answers as reading
from ..setup import inventory
from ..setup.answers import NONE, QUESTIONS, Question
from ..setup.inventory import DB_PASSWORD, PROBE_PASSWORD, Answers
from ..setup.trying import Trial, Trier

#: Words that are no answers.
BACK, KEEP = "back", "keep"
_READ: dict[str, Callable[[str], Any]] = {
    "reach": reading.read_reach, "database": reading.read_database, "application": reading.read_application,
    "health": reading.read_health, "probe": reading.read_probe,
}


def init_and_show(place: Path, *, given: str | None, found: Collection) -> Exit:
    """Ask or read the answers, try each, write the inventory and let a run plan with it.

    Args:
        place: the inventory's directory.
        given: a file of answers, - for standard input; None asks on the terminal.

    Raises:
        Stop: the directory is taken, an answer does not work and nobody can be asked for another, or the input ended.
    """
    inventory.refuse_to_overwrite(place)
    console, trier = Console(highlight=False, soft_wrap=True), Trier(found)
    if given is None and not sys.stdin.isatty():
        raise Stop("Nobody can be asked: the input is not a terminal.", hint="Give the answers in a file: incident init --answers FILE.")
    try:
        answers = _asked(console, trier) if given is None else _from_file(console, trier, _read_file(given))
    except (EOFError, KeyboardInterrupt):
        # Also between two questions, while one is being shown.
        raise Stop("Stopped. Nothing was written.", hint="Begin again with incident init.", status=Exit.INTERRUPTED) from None
    if not (answers.reach.via or answers.application.runtime):
        raise Stop("There is neither a database nor an application, so nothing to write.", hint="Answer one of the two.")
    inventory.write(answers, place)
    console.print(Text(f"Written: {', '.join(str(place / name) for name in inventory.files(answers))}", style="green"))
    return _planned(console, trier, answers, place)


def wanted(question: Question, answers: Answers) -> bool:
    """Whether a question is asked at all, after what was answered so far."""
    if question.key in ("database", "probe"):
        return bool(answers.reach.via)
    return question.key != "health" or bool(answers.application.runtime)


def _asked(console: Console, trier: Trier) -> Answers:
    """On the terminal: each question until its answer works, or is kept."""
    number, before = 0, [Answers()]
    while number < len(QUESTIONS):
        question, answers = QUESTIONS[number], before[-1]
        after = _one(console, trier, question, answers, number) if wanted(question, answers) else answers
        if after is None:
            # Back to the last one that was asked.
            while number > 0:
                number -= 1
                before.pop()
                if wanted(QUESTIONS[number], before[-1]):
                    break
            continue
        before.append(after)
        number += 1
    return before[-1]


def _one(console: Console, trier: Trier, question: Question, answers: Answers, number: int) -> Answers | None:
    """Ask one question until there is an answer; None goes back to the one before."""
    console.print(Text(f"\n{number + 1}/{len(QUESTIONS)}  {question.asks}", style="bold"))
    width = max(len(form) for form in question.forms)
    for form, meaning in question.forms.items():
        console.print(Text.assemble("  ", (f"{form:<{width}}", "cyan"), f"  {meaning}"))
    failed: tuple[Answers, str] | None = None
    while True:
        typed = _line("> ")
        if typed == BACK and number:
            return None
        if typed == KEEP and failed is not None:
            return dataclasses.replace(failed[0], kept={**failed[0].kept, question.key: failed[1]})
        if not typed:
            continue
        try:
            after = _with(question, typed, answers)
        except Stop as stop:
            console.print(Text.assemble((f"  {stop.message} ", "yellow"), stop.hint))
            continue
        _ask_password(question, after)
        tried = _tried(console, trier, question, after)
        if not tried.problem:
            return after
        failed = (after, tried.problem)
        console.print(Text.assemble(("  does not work: ", "bold red"), tried.problem))
        back = f"; {BACK} returns to the question before" if number else ""
        console.print(Text(f"  Another answer; {KEEP} keeps this one as it is{back}."))


def _from_file(console: Console, trier: Trier, given: Mapping[str, str]) -> Answers:
    """From a file: an answer that does not work is an error."""
    answers = Answers()
    for question in QUESTIONS:
        if not wanted(question, answers):
            if given.get(question.key, NONE) != NONE:
                raise Stop(f"{question.key} is answered, but an earlier answer says that there is none.", hint="Correct one of them.")
            continue
        answers = _with(question, given.get(question.key, NONE), answers)
        tried = _tried(console, trier, question, answers)
        if tried.problem:
            raise Stop(f"{question.key}: {given.get(question.key, NONE)} does not work: {tried.problem}",
                       hint="Correct the answer, or what is behind it. Nothing was written.")
    return answers


def _with(question: Question, text: str, answers: Answers) -> Answers:
    return dataclasses.replace(answers, **{question.key: _READ[question.key](text)})


def _tried(console: Console, trier: Trier, question: Question, answers: Answers) -> Trial:
    """Try it, and say what was found where it works."""
    value = getattr(answers, question.key)
    if value in (Answers().reach, Answers().application, Answers().probe, ""):
        return Trial()
    with console.status("trying ..."):
        tried: Trial = getattr(trier, question.key)(answers)
    if not tried.problem:
        console.print(Text.assemble((f"  {question.key}: ", "green"), tried.said))
    return tried


def _ask_password(question: Question, answers: Answers) -> None:
    """For this process alone: the inventory looks it up in the environment of each run."""
    variable = {"database": DB_PASSWORD, "probe": PROBE_PASSWORD}.get(question.key, "")
    if variable in answers.passwords and not os.environ.get(variable):
        typed = getpass.getpass(f"  Password (Enter: none; later runs read it from {variable}): ")
        if typed:
            os.environ[variable] = typed


def _planned(console: Console, trier: Trier, answers: Answers, place: Path) -> Exit:
    """Let the scenarios plan with what was written, and say how to go on."""
    names = [*(["db-recovery"] if answers.reach.via else []), *(["service-outage"] if answers.application.runtime else [])]
    bad = False
    for name in names:
        with console.status(f"{name} plans ..."):
            tried = trier.plan(place, name)
        bad = bad or bool(tried.problem)
        console.print(Text.assemble((f"{name}: ", "bold red" if tried.problem else "green"), tried.problem or tried.said))
    console.print(f"\nNext: incident run {names[0]} -i {place} --check")
    if answers.passwords:
        console.print(f"It reads from your environment: {', '.join(answers.passwords)}")
    return Exit.NOT_RECOVERED if bad else Exit.RECOVERED


def _read_file(given: str) -> dict[str, str]:
    try:
        text = sys.stdin.read() if given == "-" else Path(given).expanduser().read_text(encoding="utf-8")
        data = yaml.safe_load(text)
    except (OSError, UnicodeError, yaml.YAMLError) as exc:
        raise Stop(f"--answers {given}: {' '.join(str(exc).split())}", hint="Give a file of YAML, a line for each question.") from exc
    keys = [question.key for question in QUESTIONS]
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()) or not set(data) <= set(keys):
        raise Stop(f"--answers {given}: this is not a text for each of {', '.join(keys)}.", hint="For example: reach: controller")
    return data


def _line(prompt: str) -> str:
    return input(prompt).strip()
