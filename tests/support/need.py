# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test needs from the machine: absent means skipped on a laptop, and failed in CI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest


def need(condition: object, what: str) -> None:
    """Skip the running test when `condition` is false, naming `what` is missing; fail it when nothing may be missing."""
    if condition:
        return
    if os.environ.get("INCIDENT_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"INCIDENT_TEST_REQUIRE_ALL=1, and this is missing: {what}", pytrace=False)
    pytest.skip(f"needs {what}")


def need_files(wanted: Mapping[str, str]) -> None:
    """Skip or fail, as `need` does, when one of the files is missing: a package may be there and one beside it not.

    Args:
        wanted: path, and the package that brings it.
    """
    missing = [f"{path} (Debian's {package})" for path, package in wanted.items() if not Path(path).exists()]
    need(not missing, ", ".join(missing))
