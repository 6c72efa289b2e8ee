# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that is not UTF-8, wherever a record makes something of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import forms, keeping, redact, utf8
from ansible_collections.oncall.incident.plugins.plugin_utils._record.safe import safe_name

from oncall_incident.private import replace_private, write_private


@pytest.mark.parametrize(("text", "clean"), [
    ("caf\udce9", r"caf\xe9"), ("S\ud800x", r"S\ud800x"), ("\udfff", r"\udfff"), ("é한\U0001f600", "é한\U0001f600"), ("", ""),
])
def test_clean(text: str, clean: str) -> None:
    assert utf8.clean(text) == clean and utf8.clean(text).encode() == clean.encode()
    assert utf8.cleaned({text: [text, {"a": (text, 1, None)}]}) == {clean: [clean, {"a": [clean, 1, None]}]}


def test_any_name_is_a_safe_name() -> None:
    """Bytes as they were; half of a surrogate pair as UTF-8 would have it."""
    assert safe_name("caf\udce9") == "caf=E9" and safe_name("S\ud800x") == "S=ED=A0=80x"


@pytest.mark.parametrize("secret", ["correct\udce9horse-battery", "correct\ud800horse-battery"])
def test_a_secret_of_any_bytes_is_known(secret: str) -> None:
    assert secret in forms.plain_forms(secret)
    redactor = redact.Redactor(key=b"k" * 32)
    redactor.learn(secret)
    clean, removed = redactor.clean({"stdout": f"it is {secret}"})
    assert removed and secret not in clean["stdout"]


def test_a_line_of_an_index_is_utf8(tmp_path: Path) -> None:
    keeper = keeping.Keeper(tmp_path, redact.Redactor(key=b"k" * 32))
    keeper.note({"reason": "caf\udce9", "more": "\ud800"})
    assert list(keeper.noted()) == [{"reason": r"caf\xe9", "more": r"\ud800"}]
    (tmp_path / keeping.INDEX).read_bytes().decode("utf-8")


def test_one_writer_takes_any_text(tmp_path: Path) -> None:
    path = write_private(tmp_path / "a", ["caf\udce9\n", "S\ud800x\n"], sync=True)
    assert path.read_text(encoding="utf-8") == "caf\\udce9\nS\\ud800x\n" and path.stat().st_mode & 0o777 == 0o600
    assert replace_private(path, "new") == path and path.read_text() == "new" and os.listdir(tmp_path) == ["a"]
