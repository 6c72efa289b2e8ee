# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a local socket, told by the kernel where its descriptors are not ours to see."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._host import listening as module
from ansible_collections.oncall.incident.plugins.module_utils._host.listening import listening


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="oncall-") as made:
        yield Path(made)


def at(path: Path) -> tuple[bool | None, int | None]:
    return listening(host="", port=0, path=str(path))


def test_a_local_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))
        assert at(place / "s") == (False, None), "bound is not listening"
        server.listen()
        assert at(place / "s") == (True, os.getpid())
    assert at(place / "s") == (False, None), "only its file is left"


def test_by_another_name_of_its_directory(place: Path) -> None:
    (place / "run").mkdir()
    (place / "var").symlink_to(place / "run")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "var" / "s"))
        server.listen()
        assert at(place / "run" / "s") == at(place / "var" / "s") == (True, os.getpid())
        assert at(place / "s") == (False, None)


def test_by_a_link_to_the_socket(place: Path) -> None:
    (place / "link").symlink_to(place / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))
        server.listen()
        assert at(place / "link") == (True, os.getpid())


def test_a_socket_that_is_in_no_table_is_asked_itself(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_unix_inodes", lambda path, proc: set())
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))
        server.listen(0)
        assert at(place / "s") == (True, os.getpid())
        monkeypatch.setattr(module, "_PATIENCE", 0.01)
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            for one in (first, second):
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    one.connect(str(place / "s"))
            assert at(place / "s") == (None, None), "its queue is full"


def test_whose_descriptors_are_hidden_is_told_by_the_kernel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_only_holder", lambda inodes, proc: None)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))
        server.listen()
        assert at(place / "s") == (True, os.getpid())
