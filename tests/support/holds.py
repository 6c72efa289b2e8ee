# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doubles of systemd-run and systemctl for the timers of holds: there is no systemd on a test's machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class Systemd:
    """They keep the contract that holds use. The timer's command is kept, and a test runs it as the timer would.

    Args:
        active: whether a timer runs after it was made.
        state: what `is-system-running` says.
        asks: whether a timer is made for root alone, as by a systemd without a rule of polkit for others.
    """

    def __init__(self, directory: Path, *, active: bool = True, state: str = "running", asks: bool = False) -> None:
        self._directory, self._programs = directory, directory / "bin"
        self._programs.mkdir()
        refused = 'echo "Failed to start transient timer unit: Interactive authentication required." >&2; exit 1'
        who = f'test "$(id -u)" = 0 || {{ {refused}; }}\n' if asks else ""
        (self._programs / "systemd-run").write_text(
            f'#!/bin/sh\n{who}echo timer >> {directory}/order\nfor one; do printf "%s\\0" "$one"; done > {directory}/argv\n')
        (self._programs / "systemctl").write_text(
            f'#!/bin/sh\ncase "$1" in is-system-running) echo {state};; '
            f'is-active) {"echo active" if active else "echo failed; exit 3"};; show) cat {directory}/shown 2>/dev/null;; '
            f'stop) echo "stop $2" >> {directory}/order;; esac\n')
        for program in self._programs.iterdir():
            program.chmod(0o755)

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes them found."""
        return {"PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}"}

    def argv(self) -> list[str]:
        """With what systemd-run was called last."""
        return (self._directory / "argv").read_text().split("\0")[:-1]

    def command(self) -> list[str]:
        """What the timer that was made last runs."""
        argv = self.argv()
        return argv[argv.index("--") + 1:]

    def calls(self) -> str:
        """What was made and stopped, in order."""
        path = self._directory / "order"
        return path.read_text() if path.exists() else ""

    def show(self) -> None:
        """From now on `systemctl show` tells of the timer that was made last."""
        told = dict(one[2:].split("=", 1) for one in self.argv() if one.startswith("--") and "=" in one)
        (self._directory / "shown").write_text(f"Id={told['unit']}.timer\nDescription={told['description']}\nActiveState=active\n")
