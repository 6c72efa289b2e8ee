# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stopped Redis server has on disk, which is what its start will load, and where its configuration says that it will listen.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

_DATA = (".rdb", ".aof")


@dataclasses.dataclass(frozen=True)
class OnDisk:
    """Files of data in the server's directory.

    Attributes:
        directory: of the server; empty when it is not known.
        files: name, size in bytes and time of the last change of each.
        problem: why they are not known; empty when they are.
    """

    directory: str = ""
    files: tuple[tuple[str, int, float], ...] = ()
    problem: str = ""

    def describe(self) -> str:
        """For people."""
        if self.problem:
            return f"stopped; what is on its disk is not known: {self.problem}"
        if not self.files:
            return f"stopped; {self.directory} holds no data, so it starts empty, and a replica of it would copy that"
        files = ", ".join(f"{name} ({size} bytes, {_utc(changed)})" for name, size, changed in self.files)
        return f"stopped; {self.directory} holds {files}"

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        files = [{"name": name, "size": size, "changed": _utc(changed)} for name, size, changed in self.files]
        return {"directory": self.directory, "files": files, "problem": self.problem}


def on_disk(directory: str, service: t.Mapping[str, t.Any]) -> OnDisk:
    """Look into the server's directory.

    Args:
        directory: as the caller knows it; empty takes that of the configuration that the unit's command names.
        service: the result of the module service_instances for the unit.
    """
    found = directory or _settings(service).get("dir", "")
    if not found.startswith("/"):
        return OnDisk(problem="neither data_directory nor a configuration that the unit names says where it is")
    try:
        return OnDisk(directory=found, files=tuple(sorted(_files(found))))
    except OSError as exc:
        return OnDisk(directory=found, problem=f"{found}: {exc.strerror}")


def _files(directory: str) -> t.Iterator[tuple[str, int, float]]:
    for top, _directories, names in os.walk(directory, onerror=_fail):
        for name in names:
            if name.endswith(_DATA):
                about = os.lstat(os.path.join(top, name))
                yield os.path.relpath(os.path.join(top, name), directory), about.st_size, about.st_mtime


def _fail(error: OSError) -> t.NoReturn:
    raise error


def configured_ports(service: t.Mapping[str, t.Any]) -> set[int]:
    """The ports that the unit's configuration sets; empty when it sets none, or is not found or not ours to read.

    Args:
        service: the result of the module service_instances for the unit.
    """
    settings = _settings(service)
    return {int(settings[name]) for name in ("port", "tls-port") if settings.get(name, "").isdecimal() and settings[name] != "0"}


def _settings(service: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The settings of the first configuration that the unit's command names and that may be read. The last of a name counts."""
    for path in (path for one in service.get("instances") or () for path in one.get("paths") or ()):
        if path.endswith(".conf"):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    words = [line.split(None, 1) for line in file]
            except OSError:
                continue
            return {pair[0].lower(): pair[1].strip().strip('"') for pair in words if len(pair) == 2 and not pair[0].startswith("#")}
    return {}


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
