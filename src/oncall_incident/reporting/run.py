# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run, made from its record and nothing else: the same record gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import document

FILE = document.FORMATS[document.MARKDOWN]


def write_report(run_dir: Path, forms: Iterable[str] = document.FORMATS) -> Path:
    """Write the report into the run's directory, in place of an older one; the path of the first format."""
    return document.write(document.run_content(run_dir), run_dir, forms)[0]


def render(run_dir: Path, form: str = document.MARKDOWN) -> str:
    """The report of a run in one format."""
    return document.text(document.run_content(run_dir), form)
