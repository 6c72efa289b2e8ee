# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test needs and is not there: skipped with the reason on a laptop, failed where nothing may be missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.exhaustive import EXHAUSTIVE, chosen
from tests.support.need import need_files


@pytest.mark.parametrize(("required", "ends"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_half_of_a_package_names_what_is_missing(
    required: str, ends: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INCIDENT_TEST_REQUIRE_ALL", required)
    there, absent = tmp_path / "there", tmp_path / "absent"
    there.write_text("")
    need_files({str(there): "one"})
    with pytest.raises(ends) as caught:
        need_files({str(there): "one", str(absent): "another"})
    assert f"{absent} (Debian's another)" in str(caught.value) and str(there) not in str(caught.value)


@pytest.mark.skipif(EXHAUSTIVE, reason="everything is chosen")
def test_a_choice_is_the_same_everywhere_and_holds_what_always_runs() -> None:
    found = chosen(range(1000), 20, always=[0, 999])
    assert found == chosen(range(1000), 20, always=[0, 999]) == sorted(found)
    assert len(found) == 20 and {0, 999} <= set(found)
    assert chosen(range(5), 20) == list(range(5))
