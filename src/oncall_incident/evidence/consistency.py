# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a bag's files are what its chains state of them: attachments, sources, hosts' outputs, and blobs by their names.

A manifest says that nothing changed since the seal. Only this says that what was sealed is what was kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.stated import File, Stated, compared

from . import collecting, model, names, places

BLOB = re.compile(r"data/(?:runs/[^/]+/)?blobs/sha256/([0-9a-f]{2})/([0-9a-f]{64})\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class Statements:
    """What the chains of a bag state of its files."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._files: dict[File, None] = {}
        self._runs: dict[str, Stated] = {}

    @classmethod
    def read(cls, bundle: Path) -> Statements:
        """All that the events and the collected runs state."""
        found = cls(bundle)
        for event in reader.read(bundle / "data", places.EVENTS):
            found.event(event)
        runs = bundle / "data" / "runs"
        for path in sorted(runs.iterdir()) if runs.is_dir() else ():
            found._runs[path.name] = Stated.read(path)
        return found

    def event(self, event: Mapping[str, Any]) -> None:
        """Take in one of the incident's own events."""
        stated = event if event.get("type") == model.ATTACHMENT else event.get("ran") if event.get("type") == model.RUN_STARTED else None
        if not isinstance(stated, Mapping):
            return
        path, digest, size = (stated.get(key) for key in ("path", "sha256", "bytes"))
        # A path of which the redactor took a part names no file.
        if isinstance(path, str) and isinstance(digest, str) and _SHA256.match(digest) and names.is_safe_path(path):
            self._files[File(path, digest, size if isinstance(size, int) else None, f"event {event.get('seq')} of the incident")] = None

    def of_run(self, run: str) -> Stated:
        """What the record of that run states, to be told event by event."""
        return self._runs.setdefault(run, Stated(self._bundle / "data" / "runs" / run))

    def problems(self, digests: Mapping[str, str]) -> list[str]:
        """Every file that is not what is stated of it.

        Args:
            digests: the SHA-256 of the files that are there, by their path in the bag.
        """
        def digest(path: Path) -> str:
            found = digests.get(path.relative_to(self._bundle).as_posix())
            if not found:
                raise FileNotFoundError(2, "missing", str(path))
            return found

        wrong = [
            f"{path}: a blob's name is its SHA-256, and it is {value[:12]} now" for path, value in sorted(digests.items())
            if (named := BLOB.match(path)) and named.groups() != (value[:2], value)
        ]
        # A blob that is not its name is said once.
        blobs = {path.partition(":")[0] for path in wrong}
        found = [pair for file in self._files for pair in compared(file, self._bundle / file.path, digest)]
        for run, stated in self._runs.items():
            def where(path: str, run: str = run) -> Path:
                return self._bundle / "data" / collecting.place(run, Path(path))

            hosts = self._bundle / "data" / keeping.HOSTS
            there = sorted(entry.name for entry in hosts.iterdir() if (entry / run).is_dir()) if hosts.is_dir() else []
            found += stated.problems(where, digest, hosts=there)
        for path, text in found:
            name = path.relative_to(self._bundle).as_posix()
            if name not in blobs:
                wrong.append(f"{name}: {text}")
        return list(dict.fromkeys(wrong))

    @property
    def count(self) -> int:
        """Of how many files something is stated."""
        return len(self._files) + sum(stated.count for stated in self._runs.values())
