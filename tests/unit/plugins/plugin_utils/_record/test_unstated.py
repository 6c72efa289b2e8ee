# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside a record and is not stated by it leaves it incomplete, never intact."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, stated, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment


class Run:
    """A run with one output of one host, its line in the index, and the result that states both."""

    def __init__(self, run_dir: Path, *, index: bool = True) -> None:
        self.path = run_dir
        self.redactor = Redactor(key=b"k" * 32)
        self.keeper = keeping.Keeper(keeping.host_dir(run_dir, "db1"), self.redactor)
        entry = self.keep("sockets")
        self.tell({"entries": [entry], **({"index": self.keeper.index()} if index else {})})

    def keep(self, name: str) -> dict[str, Any]:
        kept = self.keeper.keep(io.BytesIO(b"x\n"), folder="10-net", name=f"{name}.txt")
        self.keeper.note({"kind": "item", "name": name, **kept})
        return kept

    def tell(self, result: dict[str, Any]) -> None:
        with Segment.open(self.path, run="r", redactor=self.redactor) as segment:
            segment.append("result", {"host": "db1", "action": keeping.OF_A_MACHINE, "args": {}, "result": result})

    def check(self) -> tuple[str, list[str]]:
        report = stated.check_run(self.path)
        return report.status, [problem.message for problem in report.problems]


@pytest.mark.parametrize("index", [True, False], ids=["index", "earlier version"])
def test_what_is_stated_is_intact(tmp_path: Path, index: bool) -> None:
    assert Run(tmp_path / "r", index=index).check() == (verify.OK, [])


def test_what_a_killed_task_left(tmp_path: Path) -> None:
    """Its output and its line in the index, without a result."""
    run = Run(tmp_path / "r")
    run.keep("routes")
    status, messages = run.check()
    assert status == verify.INCOMPLETE
    assert [text.partition(":")[0] for text in messages] == ["hosts/db1/10-net/routes.txt", "hosts/db1/index.jsonl"]
    assert "states its first" in messages[1]


def test_a_later_result_states_the_index_to_its_end(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    run.keeper.note({"kind": "failure", "reason": "it ended early"})
    assert run.check()[0] == verify.INCOMPLETE
    run.tell({"reason": "it ended early", "index": run.keeper.index()})
    assert run.check() == (verify.OK, [])


def test_a_stated_path_with_a_secret_in_it(tmp_path: Path) -> None:
    """Only its sum is stated then: it is not a file that nobody knows."""
    run = Run(tmp_path / "r")
    run.redactor.learn({"password": "zeppelin-quartz-91"})
    kept = run.keeper.keep(io.BytesIO(b"y\n"), folder="50-log", name="zeppelin-quartz-91.txt")
    run.tell({"entries": [kept], "index": run.keeper.index()})
    assert b"zeppelin" not in (run.path / "record/000002.jsonl").read_bytes()
    assert run.check() == (verify.OK, [])


def test_a_broken_record_stays_broken(tmp_path: Path) -> None:
    run = Run(tmp_path / "r")
    run.keep("routes")
    (run.path / "hosts/db1/10-net/sockets.txt").write_bytes(b"z\n")
    assert run.check()[0] == verify.BROKEN
