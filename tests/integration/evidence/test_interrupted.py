# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seal that is interrupted is made again by the next `close` or `seal`, and is proven then."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wrapper
from tests.support.wrapper import command


class Silent:
    """A time-stamping authority that takes the connection and says nothing, so that a seal waits for it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(60)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def interrupt(self, home: Path, *arguments: str) -> None:
        """Run `incident`, and press Ctrl-C when it asks for the time."""
        with subprocess.Popen(
            wrapper.argv(*arguments), env=wrapper.environment(home, INCIDENT_TSA_URL=self.url), cwd=home.parent, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:
            try:
                connection, _address = self._socket.accept()
                with connection:
                    process.send_signal(signal.SIGINT)
                    output, _none = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode in (130, -signal.SIGINT), output.decode()

    def end(self) -> None:
        self._socket.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.end()


def well(home: Path, *arguments: str) -> None:
    done = command(home, *arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)


@pytest.mark.parametrize("what", ["close", "seal"])
def test_the_first_seal_and_the_second(tmp_path: Path, silent: Silent, what: str) -> None:
    home = tmp_path / "home"
    well(home, "open", "Logins hang", "--id", "L-1")
    for number in (1, 2):
        seal = home / f"incidents/L-1/bundle/seal/{number:04d}"
        silent.interrupt(home, what, "L-1")
        assert not seal.exists()
        well(home, what, "L-1")
        assert seal.is_dir()
        well(home, "verify", "L-1")
        if what == "close":
            well(home, "reopen", "L-1", "--why", "it is slow again")
        well(home, "note", "L-1", "looked again")
