# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What molecule/shared/tasks/unharmed.yml noted on a host before the drill, for the looks from outside."""

from __future__ import annotations

import re

import testinfra

UNIT = re.compile(r"unit \S+ (?=.*\bInvocationID=[0-9a-f]{32}\b)(?=.*\bExecMainPID=[1-9])(?=.*\bActiveState=active\b)")


def names(line: str) -> str:
    """What a line is about: its first two words."""
    return " ".join(re.split(r"[ |]", line)[:2])


def check_unharmed(host: testinfra.host.Host, expected: list[str]) -> None:
    """Fail unless the host has just the same as before: each unit with its invocation and process, each session with its process and start.

    Args:
        expected: what must have been noted, so that a note of nothing proves nothing.
    """
    before = host.file("/root/unharmed.before").content_string.splitlines()
    assert [names(line) for line in before] == expected
    assert all(UNIT.match(line) for line in before if line.startswith("unit ")), before
    assert not any(line.endswith("|") for line in before), before
    assert host.run("unharmed").stdout.splitlines() == before
