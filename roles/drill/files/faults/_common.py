# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the faults share. It is copied to the host beside each of them, with fault.json, which the role writes there.

A fault is a program with three verbs: inject, remove, left. It runs on the host, with Python 3.9 or newer.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

#: What the role writes beside a fault.
ASKED = "fault.json"


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a fault is told.

    Attributes:
        unit: the name of its systemd unit, and of this fault on this host.
        user: who runs it. Root takes it back.
        mark: eight letters and digits of its own, for names in a server that several hosts use.
        kept: a directory for what it has to remember; the user's own.
        params: all of its parameters, by name; None for one that was not given and has no default.
    """

    unit: str
    user: str
    mark: str
    kept: Path
    params: Mapping[str, Any]


def read(path: Path) -> Asked:
    """What is asked for, as the role has written it."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Asked(unit=data["unit"], user=data["user"], mark=data["mark"], kept=Path(data["kept"]), params=data["params"])


def main(
    *, inject: Callable[[Asked], None], remove: Callable[[Asked], None], left: Callable[[Asked], Iterable[str]],
) -> None:
    """Do what the command line says.

    Args:
        inject: breaks the host, and calls ready() when it is broken.
        remove: undoes it. It is called again until it succeeds, and also where nothing was injected.
        left: what is still there of the fault, one line for each thing; nothing when all is gone.
    """
    verbs = ("inject", "remove", "left")
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(f"usage: {Path(sys.argv[0]).name} {'|'.join(verbs)}")
    verb, path = sys.argv[1], Path(sys.argv[0]).resolve().with_name(ASKED)
    if verb != "inject" and not path.exists():
        return  # it was never told what to inject
    asked = read(path)
    if verb == "left":
        for line in left(asked):
            print(line, flush=True)
    else:
        (inject if verb == "inject" else remove)(asked)


def ready() -> None:
    """Tell systemd that the fault is there; the drill waits for it."""
    subprocess.run(["systemd-notify", "--ready"], check=True)


def is_active(unit: str) -> bool:
    """Whether a unit runs."""
    return subprocess.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0


def stop(asked: Asked) -> None:
    """Stop the fault's own unit."""
    subprocess.run(["systemctl", "stop", f"{asked.unit}.service"], check=False)


def wait_until(holds: Callable[[], bool], *, seconds: float, otherwise: str) -> None:
    """Wait until something holds; the fault fails with these words when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit(otherwise)
        time.sleep(0.1)


def made(asked: Asked) -> Path:
    """The file that is there once another file is this fault's: what was there before is nobody's to remove."""
    return asked.kept / "made"


def claim(asked: Asked, path: Path) -> None:
    """Note that a file is about to be this fault's. One that is there already is not."""
    if os.path.lexists(path):
        sys.exit(f"{path} is there already: name one that is not")
    made(asked).touch()
