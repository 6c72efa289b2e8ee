# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident init` ends with the same words wherever it is stopped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from oncall_incident.commands import init
from oncall_incident.errors import Stop
from oncall_incident.exits import Exit
from oncall_incident.running import collection


@pytest.mark.parametrize("where", ["wanted", "_line", "_with", "_tried"])
def test_a_stop_between_two_questions_says_that_nothing_was_written(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_given: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(init, "_line", lambda _prompt: "none")
    monkeypatch.setattr(init, where, stopped)
    with pytest.raises(Stop, match="Nothing was written") as caught:
        init.init_and_show(tmp_path / "mine", given=None, found=collection.find(configured=None, home=tmp_path))
    assert caught.value.status == Exit.INTERRUPTED and not (tmp_path / "mine").exists()
