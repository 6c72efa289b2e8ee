# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file, as a log that nobody rotates, takes what is left of the file system that Redis saves to, and a save has failed.

On the server's host. With save points the server refuses writes from then on (MISCONF).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from _common import Asked, claim, made, main, ready, wait_until
from _filling import fill

#: Seconds until a save must have ended as it should.
PATIENCE = 30


def ask(asked: Asked, *words: str) -> str:
    """What the server says; empty when it says nothing within ten seconds."""
    password = asked.params["password"]
    env = {**os.environ, **({"REDISCLI_AUTH": password} if password else {})}
    argv = [*shlex.split(asked.params["cli"]), *words]
    try:
        return subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, timeout=10, check=False).stdout
    except subprocess.TimeoutExpired:
        return ""


def persistence(asked: Asked) -> dict[str, str]:
    """The server's INFO persistence."""
    return dict(re.findall(r"^(\w+):(.*?)\r?$", ask(asked, "INFO", "persistence"), flags=re.MULTILINE))


def save_until(asked: Asked, status: str) -> None:
    """Start a save and wait until the last one ended so. One that the server began by itself answers the question as well."""

    def ended() -> bool:
        found = persistence(asked)
        if found.get("rdb_last_bgsave_status") == status:
            return True
        if found.get("rdb_bgsave_in_progress") == "0":
            ask(asked, "BGSAVE")
        return False

    wait_until(ended, seconds=PATIENCE, otherwise=f"the last save is still not {status}")


def inject(asked: Asked) -> None:
    path = Path(asked.params["path"])
    claim(asked, path)
    fill(path, minutes=asked.params["age"])
    save_until(asked, "err")
    ready()


def remove(asked: Asked) -> None:
    if made(asked).exists():
        Path(asked.params["path"]).unlink(missing_ok=True)
        save_until(asked, "ok")
        made(asked).unlink()


def left(asked: Asked) -> Iterator[str]:
    if made(asked).exists():
        yield str(made(asked))
        if Path(asked.params["path"]).exists():
            yield asked.params["path"]
        if persistence(asked).get("rdb_last_bgsave_status") != "ok":
            yield "the last save failed"


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
