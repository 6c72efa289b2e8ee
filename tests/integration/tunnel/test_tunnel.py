# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel opens, says why not, and never outlives its time."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, CannotReach
from ansible_collections.oncall.incident.plugins.module_utils._tunnel.supervisor import close_tunnel, open_tunnel

from tests.support.until import BUSY

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
COMMAND = [sys.executable, "-c", LISTEN, "{local_port}"]
STUBBORN = [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + LISTEN, "{local_port}"]


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait(condition: Callable[[], bool], seconds: float = BUSY) -> bool:
    """Wait until it holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def supervisor(handle: str) -> int:
    """Its process id."""
    return int(Path(handle, "pid").read_text())


def test_open_and_close() -> None:
    tunnel = open_tunnel(COMMAND, timeout=60, lifetime=60)
    assert listens(tunnel["port"])
    assert oct(os.stat(tunnel["handle"]).st_mode & 0o777) == "0o700"
    assert close_tunnel(tunnel["handle"]) is True
    assert not listens(tunnel["port"])
    assert not os.path.exists(tunnel["handle"])
    assert close_tunnel(tunnel["handle"]) is False


def test_one_that_ignores_the_signal_is_ended() -> None:
    tunnel = open_tunnel(STUBBORN, timeout=60, lifetime=60)
    assert close_tunnel(tunnel["handle"]) is True
    assert not listens(tunnel["port"])


def test_its_lifetime_ends_it() -> None:
    tunnel = open_tunnel(COMMAND, timeout=60, lifetime=1.0)
    assert wait(lambda: not listens(tunnel["port"]))
    assert wait(lambda: not os.path.exists(tunnel["handle"]))


def test_a_supervisor_that_was_killed_is_not_mistaken_for_another_process() -> None:
    tunnel = open_tunnel([*COMMAND[:2], LISTEN.replace("600", "3"), "{local_port}"], timeout=60, lifetime=60)
    pid = supervisor(tunnel["handle"])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    # Its id may belong to anybody now, for example to us: nobody is signalled.
    Path(tunnel["handle"], "pid").write_text(str(os.getpid()))
    assert close_tunnel(tunnel["handle"]) is False


def test_a_command_that_ends_says_why() -> None:
    start = time.monotonic()
    with pytest.raises(CannotReach, match="ended before it listened: no such host"):
        open_tunnel([sys.executable, "-c", "import sys; sys.exit('no such host')", "{local_port}"], timeout=600, lifetime=60)
    assert time.monotonic() - start < BUSY


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(CannotReach, match="No such file"):
        open_tunnel(["/nonexistent/ssh", "{local_port}"], timeout=5, lifetime=60)


def test_a_command_that_never_listens() -> None:
    with pytest.raises(CannotReach, match="did not listen within 1 s"):
        open_tunnel([sys.executable, "-c", "import time; time.sleep(600)", "{local_port}"], timeout=1, lifetime=60)


def test_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="local_port"):
        open_tunnel(["ssh", "x"], timeout=1, lifetime=1)
    with pytest.raises(BadInput, match="not a tunnel"):
        close_tunnel(str(tmp_path))
    assert tmp_path.exists()
