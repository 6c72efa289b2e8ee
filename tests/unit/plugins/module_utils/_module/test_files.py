# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that cannot be read says nothing, and a long one says its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.files import text_of


def test_what_a_file_says(tmp_path: Path) -> None:
    (tmp_path / "comm").write_bytes(b"sshd\xff\n")
    assert text_of(str(tmp_path / "comm")) == "sshd\N{REPLACEMENT CHARACTER}\n"
    assert text_of(str(tmp_path / "comm"), most=2) == "ss"


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert text_of(str(tmp_path / "gone")) == ""
    assert text_of(str(tmp_path)) == ""


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="no Linux")
def test_a_setting_of_the_kernel_is_read() -> None:
    """It is refused to whoever asks for 16 MiB of it."""
    assert text_of("/proc/sys/kernel/ostype") == "Linux\n"
