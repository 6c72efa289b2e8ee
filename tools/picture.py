# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a terminal's contents (text with ANSI colours, from standard input) as the SVG of the README.

    tmux -L picture new-session -d -s demo -x 100 -y 50 'make demo; sleep 60'
    tmux -L picture capture-pane -p -e -t demo -S -200 | .venv/bin/python tools/picture.py docs/images/run.svg
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

FIRST = re.compile(r"\$ incident run ")
LAST = re.compile(r"^\s*report\s+\S*report\.md")
#: A row of the plan, or an action that was taken: a host and what is done to a session.
ROW = re.compile(r"^\s*(?:\d\d:\d\d\s+)?(?:gone|done)?\s*demo\s+terminate\s+pid")
#: A finding that is not ok; what it says and what to do follows in indented lines.
FINDING = re.compile(r"^ {2}(?:CRITICAL|WARNING|UNKNOWN) ")
#: How many rows beside each other are drawn, and of how many findings beside each other all that they say.
SHOWN = 2
TOLD = 1


def chosen(lines: list[str]) -> list[str]:
    """The lines of the run itself, from the command to the report's path; paths without the directories above the checkout."""
    plain = [Text.from_ansi(line).plain for line in lines]
    start = next(number for number, line in enumerate(plain) if FIRST.search(line))
    end = next(number for number, line in enumerate(plain) if number > start and LAST.search(line))
    return [line.replace(f"{os.getcwd()}/", "") for line in lines[start : end + 1]]


def shortened(lines: list[str]) -> list[str]:
    """Of many rows of the plan, and of many actions, the first and the last; of findings beside each other the first with its text."""
    rows: list[list[str]] = []
    for line in lines:
        plain = Text.from_ansi(line).plain
        # The second and further lines of a row are indented.
        if rows and _kind(rows[-1]) and plain.startswith("     "):
            rows[-1].append(line)
        else:
            rows.append([line])
    kept: list[str] = []
    for kind, group in itertools.groupby(rows, _kind):
        some = list(group)
        if kind is FINDING:
            some = [*some[:TOLD], *(row[:1] for row in some[TOLD:])]
        elif kind is ROW and len(some) > SHOWN:
            some = [*some[: SHOWN - 1], [f"      ... {len(some) - SHOWN} more"], some[-1]]
        kept += [line for row in some for line in row]
    return kept


def _kind(row: list[str]) -> re.Pattern[str] | None:
    """What a row is, by its first line."""
    plain = Text.from_ansi(row[0]).plain
    return next((kind for kind in (ROW, FINDING) if kind.search(plain)), None)


def main() -> None:
    """Read, choose, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--width", type=int, default=100)
    options = parser.parse_args()
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=options.width, file=nowhere, force_terminal=True, color_system="truecolor")
        for line in shortened(chosen(sys.stdin.read().splitlines())):
            console.print(Text.from_ansi(line.replace("demo: $", "$")), soft_wrap=False)
        drawn = console.export_svg(title="incident run db-recovery")
    # Without the fonts that rich would fetch from elsewhere, the reader's own monospace font is used.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    options.output.write_text(drawn.replace("Fira Code,", ""), encoding="utf-8")


if __name__ == "__main__":
    main()
