# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a log, without its users' data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.excerpt import excerpt, last_words, newest, read_end, redact_line
from ansible_collections.oncall.incident.plugins.module_utils._core.log_grammars import GENERIC, GRAMMARS, POSTGRESQL, REDIS

#: Lines as each product writes them, made up here, with what must become of each. `kept`: whether an excerpt keeps it. `level`: what it
#: counts for there. `stays`: must be there word for word. `gone`: must not be there. `last`: of several lines, the one that explains why
#: the program is down; empty where none does. JSON, since managed hosts' Python 3.9 is tested without PyYAML.
LOGS: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(
    (Path(__file__).parents[4] / "fixtures" / "logs.json").read_text(encoding="utf-8")
)
LINES = [
    pytest.param(product, case, id=f"{product}-{number}") for product, said in LOGS.items() for number, case in enumerate(said["lines"])
]
LAST = [pytest.param(product, case, id=f"{product}-{case['name']}") for product, said in LOGS.items() for case in said["last"]]


def test_every_product_has_a_corpus() -> None:
    assert set(LOGS) == set(GRAMMARS)


@pytest.mark.parametrize(("product", "case"), LINES)
def test_a_line(product: str, case: dict[str, Any]) -> None:
    grammar = GRAMMARS[product]
    found = excerpt(case["line"], grammar=grammar, max_lines=10)
    assert bool(found["lines"]) is case["kept"], found
    if "level" in case:
        assert {level: 1 for level in (case["level"],) if level} == {level: count for level, count in found["counts"].items() if count}
    for redacted in found["lines"]:
        assert case.get("stays", "") in redacted
        assert "gone" not in case or case["gone"] not in redacted
        assert "gone" in case or redacted == case["line"], "nothing useful is hidden"


@pytest.mark.parametrize(("product", "case"), LAST)
def test_the_last_words(product: str, case: dict[str, Any]) -> None:
    assert last_words("\n".join(case["of"]), grammar=GRAMMARS[product]) == case["is"]


def test_a_long_line_is_cut() -> None:
    assert len(redact_line("ERROR: " + "x" * 5000, GENERIC)) == 1003


def test_only_what_matters_the_last_of_it() -> None:
    text = "\n".join(["LOG:  checkpoint", *(f"ERROR:  e{number}" for number in range(5)), "WARNING:  w", "no TERROR here"])
    found = excerpt(text, grammar=POSTGRESQL, max_lines=3)
    assert found["counts"] == {"WARNING": 1, "ERROR": 5, "FATAL": 0, "PANIC": 0}
    assert (found["lines"], found["left_out"]) == (["ERROR:  e3", "ERROR:  e4", "WARNING:  w"], 3)


def test_what_belongs_to_a_line_stays_with_it() -> None:
    text = "ERROR:  e\nDETAIL:  Key (id)=(7) exists.\nLOG:  checkpoint\nDETAIL:  of nothing"
    assert excerpt(text, grammar=POSTGRESQL, max_lines=9)["lines"] == ["ERROR:  e", "DETAIL:  Key (id)=(***) exists."]


def test_words_that_are_asked_for_take_the_place_of_the_grammar() -> None:
    text = "1:M 09 Feb 2026 03:40:11.402 # Can't save\n1:M 09 Feb 2026 03:40:11.402 * Can't wait, it is the last word\nno cant"
    found = excerpt(text, grammar=REDIS, levels=["word", "Can't"], max_lines=9)
    assert found["counts"] == {"word": 0, "Can't": 2} and found["lines"] == text.splitlines()[:2]


def test_the_end_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\nsecond\nthird\n")
    assert read_end(str(path), max_bytes=100) == b"first\nsecond\nthird\n"
    assert read_end(str(path), max_bytes=9) == b"third\n"


def test_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        read_end(str(tmp_path / "pipe"), max_bytes=9)
    with pytest.raises(FileNotFoundError):
        newest(str(tmp_path))


def test_the_newest(tmp_path: Path) -> None:
    for age, name in ((100, "old.log"), (0, "new.log")):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1_800_000_000 - age, 1_800_000_000 - age))
    assert newest(str(tmp_path)).endswith("new.log")
