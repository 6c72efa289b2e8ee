# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the answers of docs/teams.md and write the counts at its top; `--check` only says whether they are out of date.

The tables of that page are the data. A row has an id, the lines of the team's guide, a topic, what is asked, and one answer: `yes:` with
what proves it, `no, because`, `waits:` for a part that is not built yet, or `for people`.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "teams.md"
DRILLS = ROOT / "roles" / "drill" / "files" / "drills"
#: The letter of a team's ids, and how many rows its guide gives.
TEAMS = {
    "matrixon": ("M", 95), "chitlaq": ("C", 93), "reconciliation": ("R", 96), "prism-dns": ("P", 72), "servio": ("S", 74),
}
#: The parts that a row may wait for.
PARTS = (
    "services", "load and errors", "communication", "traffic and breach", "DNS and network", "restore and failover", "evidence store",
    "AWX",
)
KINDS = ("yes", "waits", "no", "people")
_BEGIN, _END = "<!-- counts: python -m tools.teams_page -->", "<!-- end of counts -->"
_ROW = re.compile(r"\| ([A-Z]-\d{3}) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|")
_ANSWERS = {
    "yes": re.compile(r"yes: (.+)"),
    "no": re.compile(r"no, because (.+)"),
    "waits": re.compile(r"waits: ([^;]+)(?:; .+)?"),
    "people": re.compile(r"for people(: .+)?"),
}
_TEST = re.compile(r"`([\w./-]+\.py)::(test_\w+)`")
_DRILL = re.compile(r"drill `([\w-]+)`(?: round `([\w-]+)`)?")


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that a guide asks for.

    Attributes:
        id: the team's letter and a number that stays.
        lines: of the guide.
        topic: the scenario or command that it belongs to.
        asks: what is asked, in our words.
        answer: as it is written.
    """

    id: str
    lines: str
    topic: str
    asks: str
    answer: str

    @property
    def kinds(self) -> list[str]:
        """Which kinds of answer this is: one, or the row is wrong."""
        return [kind for kind, form in _ANSWERS.items() if form.fullmatch(self.answer)]

    @property
    def part(self) -> str:
        """What it waits for."""
        found = _ANSWERS["waits"].fullmatch(self.answer)
        return found[1] if found else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the counts, or with --check compare; 1 when they are out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.teams_page", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the page is out of date")
    check = parser.parse_args(argv).check
    text = PAGE.read_text(encoding="utf-8")
    made = counted(text)
    if made == text:
        return 0
    print(f"{'out of date' if check else 'written'}: {PAGE.relative_to(ROOT)}")
    if not check:
        PAGE.write_text(made, encoding="utf-8")
    return 1 if check else 0


def rows(text: str) -> list[Row]:
    """The rows of the page's tables.

    Raises:
        ValueError: a line begins like a row and is not one.
    """
    found = []
    for line in text.splitlines():
        if re.match(r"\|\s*[A-Z]-", line):
            read = _ROW.fullmatch(line)
            if not read:
                raise ValueError(f"not a row of five cells: {line}")
            found.append(Row(*(cell.strip() for cell in read.groups())))
    return found


def unproven(row: Row) -> list[str]:
    """What a `yes` names and is not there; all of it where it names nothing."""
    if row.kinds != ["yes"]:
        return []
    left, missing = row.answer.removeprefix("yes: "), []
    for path, test in _TEST.findall(left):
        if test not in _tests_of(path):
            missing.append(f"{path}::{test}")
    for drill, its_round in _DRILL.findall(left):
        rounds = _rounds_of(drill)
        if rounds is None or (its_round and its_round not in rounds):
            missing.append(f"drill {drill} {its_round}".strip())
    rest = _DRILL.sub("", _TEST.sub("", left)).strip(" ,")
    return [*missing, rest] if rest else missing


@cache
def _tests_of(path: str) -> frozenset[str]:
    """The test functions of a file below tests/, read and not imported."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    return frozenset(node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef))


@cache
def _rounds_of(drill: str) -> frozenset[str] | None:
    file = DRILLS / f"{drill}.yml"
    if not file.is_file():
        return None
    return frozenset(one["name"] for one in yaml.safe_load(file.read_text(encoding="utf-8"))["rounds"])


def counted(text: str) -> str:
    """The page with its counts as its rows are.

    Raises:
        ValueError: the page has no place for the counts, or a row that is none.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no {_BEGIN} and {_END}")
    return "\n".join([before + _BEGIN, "", *_counts(rows(text)), "", _END + after])


def _counts(found: Iterable[Row]) -> list[str]:
    found = list(found)
    lines = ["| team | rows | yes | waits | no, because | for people |", "|---|---|---|---|---|---|"]
    for team, (letter, _) in [*TEAMS.items(), ("**all**", ("", 0))]:
        mine = [row for row in found if row.id.startswith(letter)]
        kinds = Counter(kind for row in mine for kind in row.kinds)
        lines.append("| " + " | ".join([team, str(len(mine)), *(str(kinds[kind]) for kind in KINDS)]) + " |")
    asked = sum(row.kinds != ["people"] for row in found)
    parts = Counter(row.part for row in found if row.part)
    waiting = [f"- {part}: {parts[part]}" for part in PARTS if parts[part]]
    return [*lines, "", f"{asked} of the rows ask something of software. What they wait for, and how many:", "", *waiting]


if __name__ == "__main__":
    sys.exit(main())
