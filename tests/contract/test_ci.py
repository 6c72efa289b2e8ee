# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CI runs what README tells a newcomer to run, by whatever way it gets there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from tools.suite import __main__ as suite
from tools.suite.plan import Unit
from tools.suite.run import Suite

ROOT = Path(__file__).resolve().parents[2]
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def test_ci_calls_the_test_command_of_the_readme() -> None:
    wanted = readme_test_command()
    assert any(without_variables(argv) == wanted for argv in all_of_ci()), f"{shlex.join(wanted)} is not among what .ci/run calls"


def readme_test_command() -> list[str]:
    """The command of README's first block that runs the tests, as it is printed there."""
    block = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
    commented = [line.partition("#") for line in block.splitlines()]
    [command] = [shlex.split(command) for command, _, comment in commented if "runs them all" in comment and "tests" in comment]
    return command


def without_variables(argv: list[str]) -> list[str]:
    """A command of make without the variables that it is given: ARGS only chooses among the tests."""
    return [argv[0], *(word for word in argv[1:] if not _ASSIGNMENT.match(word))] if argv[:1] == ["make"] else argv


def all_of_ci() -> Iterator[list[str]]:
    """Every command that .ci/run always runs: its own, those of the targets of make that it calls, and those of the suite's tiers."""
    waiting = [shlex.split(line, comments=True) for line in shell_commands(ROOT / ".ci" / "run")]
    seen: list[list[str]] = []
    while waiting:
        argv = waiting.pop()
        if argv[:1] == ["timeout"]:
            argv = argv[2:]
        if not argv or argv in seen:
            continue
        seen.append(argv)
        yield argv
        if argv[0] == "make":
            waiting += [command for line in recipe(argv) if (command := split(line))]
        elif argv[1:3] == ["-m", "tools.suite"]:
            waiting += [list(unit.argv) for unit in always_run(argv[3:])]


def shell_commands(script: Path) -> list[str]:
    """The lines of the script's own body: neither comments, nor what stands in a function that nobody calls."""
    text = re.sub(r"^(\w+)\(\) \{\n.*?^\}\n", "", script.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^if .*?^fi\n", "", text, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
    return [line for line in text.splitlines() if split(line)]


def split(line: str) -> list[str]:
    """The words of a line of shell; none where it does not end in itself."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def recipe(argv: list[str]) -> list[str]:
    """What make would run. A unit of the suite may call make with arguments of pytest, which need not be known here."""
    known = [word if not _ASSIGNMENT.match(word) else f"{word.partition('=')[0]}=0" for word in argv]
    done = subprocess.run([known[0], "-n", *known[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def always_run(arguments: list[str]) -> list[Unit]:
    """The units that a tier of the suite never leaves out. It is asked by its own command line, and runs nothing."""
    given: list[Unit] = []

    def take(chosen: Suite) -> int:
        given.extend(unit for unit in chosen.left_out if unit.fixed)
        return 0

    if arguments[0] in ("test", "unit"):  # pytest itself, no units
        return []
    with mock.patch.object(suite, "_run", take), mock.patch.object(suite, "all_required", lambda: False), \
            mock.patch.object(sys, "argv", ["tools.suite", *arguments]), mock.patch("signal.signal"), \
            mock.patch.dict("os.environ"):
        assert suite.main() == 0
    return given
