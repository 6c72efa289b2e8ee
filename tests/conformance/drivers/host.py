# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and ports: real files on a file system of their own, real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.conformance.kit import Args, Health, Mitigating, Result
from tests.support.need import need
from tests.support.run_module import start_module
from tests.support.tmpfs import mounted

OLD = 7200
#: A user who may enter nothing that is root's alone.
NOBODY = 65534


class DiskClean(Mitigating):
    """Three old logs in a directory."""

    module = "disk_clean"
    absent: ClassVar = {"past_the_deadline": "it has no time limit: removing a file takes none"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        need(os.geteuid() == 0, "root, to see the open files of all processes")
        with tempfile.TemporaryDirectory() as made:
            self.place = Path(made)
            for number in range(3):
                path = self.place / f"shop.log.{number}"
                path.write_bytes(b"x" * 8192)
                os.utime(path, (time.time() - OLD, time.time() - OLD))
            yield

    def args(self) -> Args:
        return {"rules": [{"directory": str(self.place), "pattern": "*.log.*", "min_age": "1h"}]}

    def world(self) -> Any:
        return sorted((path.name, path.stat().st_size) for path in self.place.iterdir())

    def limits(self) -> Args:
        return {"max_files": 2}

    def leave(self) -> None:
        (self.place / "shop.log.1").unlink()

    def locked(self) -> AbstractContextManager[Any]:
        return acting_alone("the files of this host")


class _OwnDisk(Health):
    """A small file system."""

    absent: ClassVar = {
        "frozen": "a file system that answers nobody needs a dead device or a lost NFS server; neither can be made in a container",
    }

    @contextmanager
    def scene(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as made, mounted(Path(made) / "disk", size="8m") as self.place:
            yield

    def run_denied(self, **more: Any) -> Result:
        """As somebody who may not enter the directory that it is mounted in."""
        return start_module(self.module, user=NOBODY, **{**self.args(), **more}).result()

    def culprits(self) -> list[str]:
        return [str(self.place)]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        subprocess.run(["mount", "-o", "remount,ro", str(self.place)], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(self.place)], check=True)


class DiskSurvey(_OwnDisk):
    """All of its checks."""

    module = "disk_survey"

    def args(self) -> Args:
        return {"file_systems": [str(self.place)], "sample": "0s"}


class DiskHealth(_OwnDisk):
    """One path's file system."""

    module = "disk_health"

    def args(self) -> Args:
        return {"path": str(self.place)}


class PortHealth(Health):
    """A socket that listens on an address of this host."""

    module = "port_health"
    absent: ClassVar = {"denied": "connecting needs no right: who is kept out gets the answer of a port that is closed"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.server = socket.create_server(("0.0.0.0", 0), backlog=8)
        self.port = self.server.getsockname()[1]
        try:
            yield
        finally:
            self.server.close()

    def args(self) -> Args:
        return {"ports": [self.port], "timeout": "1s"}

    def culprits(self) -> list[str]:
        return [str(self.port)]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        self.server.close()
        try:
            yield
        finally:
            self.server = socket.create_server(("0.0.0.0", self.port), backlog=8)

    @contextmanager
    def freeze(self) -> Iterator[None]:
        """Whose queue is full: connections are neither accepted nor refused."""
        self.server.listen(0)
        waiting = []
        try:
            for _number in range(8):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", self.port))
                waiting.append(one)
            yield
        finally:
            for one in waiting:
                one.close()
