# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stopped Redis server has on disk, which is what its start will load, and where its configuration says that it will listen.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import typing as t

from .decisions.restart import OnDisk

_DATA = (".rdb", ".aof")


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
