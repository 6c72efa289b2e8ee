# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as ansible_collections.oncall.incident, with or without ansible-core.

The package tree is a namespace package over `.collections` (a link to this checkout that `make` creates), so the
pure parts are tested on target Pythons that have no ansible-core at all.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis

ROOT = Path(__file__).resolve().parent.parent


def _link_checkout() -> Path:
    tree = ROOT / ".collections"
    link = tree / "ansible_collections" / "oncall" / "incident"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../..")
    return tree


# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

for entry in (str(_link_checkout()), str(ROOT), str(ROOT / "src")):
    if entry not in sys.path:
        sys.path.insert(0, entry)


def _own_locks() -> None:
    """Hosts of the same name in tests that run side by side are not the same host: each pytest process has locks of its own."""
    directory = tempfile.mkdtemp(prefix="oncall-locks-")
    os.chmod(directory, 0o1777)
    os.environ["ONCALL_INCIDENT_LOCKS"] = directory
    atexit.register(shutil.rmtree, directory, ignore_errors=True)


_own_locks()


def starts_of(argv: Sequence[object]) -> int:
    """How often a command starts Ansible: its own programs once; `incident run`, `drill` and `undo` look and then act, unless they only
    check; `in-force` looks. Of a shell's text every command counts."""
    words = [os.fsdecode(word) for word in argv if isinstance(word, (str, bytes, os.PathLike))]
    if words[:3] == ["ip", "netns", "exec"]:
        words = words[4:]
    if len(words) > 2 and os.path.basename(words[0]) in ("sh", "bash") and words[1].endswith("c"):
        commands = re.split(r"&&|\|\||[;|&\n]", words[2])
        return sum(starts_of(command.split()) for command in commands)
    names = [os.path.basename(word) for word in words[:4]]
    if any(name == "ansible" or name.startswith(("ansible-playbook", "ansible-runner")) for name in names):
        return 1
    if {"incident", "oncall_incident"} & set(names):
        if {"run", "drill", "undo"} & set(words):
            return 1 if "--check" in words else 2
        return int("in-force" in words)
    return 0


class Starts:
    """How often this process started Ansible: most of what the suite costs (tests/costs.yml)."""

    count = 0

    @classmethod
    def hear(cls, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: it can only count."""
        if event == "subprocess.Popen" and not isinstance(arguments[1], (str, bytes)):
            cls.count += starts_of(arguments[1])


sys.addaudithook(Starts.hear)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say it where tools/suite reads it."""
    if Starts.count:
        terminalreporter.write_line(f"Ansible was started {Starts.count} times")
