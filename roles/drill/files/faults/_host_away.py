# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the faults share by which a host goes away in the middle of a recovery: everything that was begun over SSH is killed, whole, and
sshd does not listen for a while.

They differ in what they wait for: watch() looks once and returns what says, each time it is called, whether the moment has come.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import Asked, is_active, ready, stop


def socket(asked: Asked) -> Path:
    """The file that is there where sshd is started by a socket, which has to go and come back too."""
    return asked.kept / "socket"


def away(asked: Asked, watch: Callable[[Asked], Callable[[], bool]]) -> None:
    """Wait for the moment, go away, and come back after the seconds that were asked for."""
    if is_active("ssh.socket"):
        socket(asked).touch()
    units = {*listening(asked), "ssh"}
    happened = watch(asked)
    ready()
    while not happened():
        time.sleep(0.003)
    # First those who are there, then nobody gets in any more.
    for pid in begun_over_ssh():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself
    subprocess.run(["systemctl", "stop", *sorted(units)], check=False)
    time.sleep(asked.params["seconds"])
    subprocess.run(["systemctl", "start", *listening(asked)], check=False)


def begun_over_ssh(processes: Path = Path("/proc")) -> list[int]:
    """The processes of all sessions, parents before children: nobody is to see a child die and write that down."""
    children: dict[int, list[int]] = {}
    sessions: list[int] = []
    for place in processes.glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            name = (place / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(place.name))
        if name.startswith(b"sshd: ") and b"[listener]" not in name:
            sessions.append(int(place.name))
    found: list[int] = []
    while sessions:
        pid = sessions.pop(0)
        if pid not in found:
            found.append(pid)
            sessions += children.get(pid, [])
    return found


def listening(asked: Asked) -> list[str]:
    """What listens for SSH: sshd, or the socket that starts it."""
    return ["ssh.socket"] if socket(asked).exists() or is_active("ssh.socket") else ["ssh"]


def come_back(asked: Asked) -> None:
    """Take the fault back."""
    # The fault first: it may be about to stop sshd, and killed in its sleep it would not start it again.
    stop(asked)
    if subprocess.run(["systemctl", "start", *listening(asked)], check=False).returncode:
        # A socket does not start beside an sshd that somebody has started.
        subprocess.run(["systemctl", "start", "ssh"], check=True)
    socket(asked).unlink(missing_ok=True)


def not_back(asked: Asked) -> Iterator[str]:
    """What is left of it."""
    if not any(is_active(unit) for unit in listening(asked)):
        yield "sshd does not run"
    if socket(asked).exists():
        yield str(socket(asked))
