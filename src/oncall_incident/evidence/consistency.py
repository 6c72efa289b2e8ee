# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a bag's files are what its chains state of them: attachments, sources, runs, hosts' outputs, and blobs by their names.

A manifest says that nothing changed since the seal. Only this says that what was sealed is what was kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, layout, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.stated import File, Stated, compared

from . import collecting, model, names, places

BLOB = re.compile(r"data/(?:runs/[^/]+/)?blobs/sha256/([0-9a-f]{2})/([0-9a-f]{64})\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_RECORD = re.compile(r"data/runs/([^/]+)/record/[0-9]{6}\.jsonl\Z")
_RUN = re.compile(r"data/runs/([^/]+)/")
_TOKEN = re.compile(r"\[redacted:[0-9a-f]{12}\]")
#: Outcomes of which the record says nothing: it could not be written to its end, or nobody judged.
_UNWRITTEN = frozenset({"not_recorded", "not judged"})


class Statements:
    """What the chains of a bag state of its files."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._files: dict[File, None] = {}
        self._runs: dict[str, Stated] = {}
        self._told: dict[str, list[Mapping[str, Any]]] = {}
        self._due: dict[str, None] = {}
        self._hidden = False

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
        kind, run = event.get("type"), event.get("record")
        # A name of which the redactor took a part names no run.
        if kind in (model.RUN_STARTED, model.RUN_ENDED) and isinstance(run, str):
            if _TOKEN.search(run):
                self._hidden = True
            else:
                self._told.setdefault(run, []).append(event)
        elif kind == model.SEALED:
            self._due |= dict.fromkeys(self._told)
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

    def problems(self, digests: Mapping[str, str], *, goes_on: bool = False) -> list[str]:
        """Every file that is not what is stated of it, and every run of which the record is missing or ends otherwise.

        Args:
            digests: the SHA-256 of the files that are there, by their path in the bag.
            goes_on: the incident is in a store: a run since its last seal may not be collected yet.
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
        wrong += self._of_runs(digests, self._due if goes_on else self._told)
        return list(dict.fromkeys(wrong))

    def _of_runs(self, digests: Mapping[str, str], due: Iterable[str]) -> Iterator[str]:
        """Each run that the events tell of and whose record is not there, or does not end as they say."""
        there = {found.group(1) for path in digests if (found := _RECORD.match(path))}
        for run, events in self._told.items():
            if run in there:
                ended = self._runs[run].outcome if run in self._runs else None
                yield from (f"data/runs/{run}: {text}" for event in events if (text := _ends_otherwise(event, ended)))
            elif run in due:
                by = f"event {events[0].get('seq')} of the incident"
                yield f"data/runs/{run}/{layout.RECORD}: {by} names this run, and its record is missing"

    def unstated(self, digests: Mapping[str, str]) -> list[str]:
        """Every file of a run or a host that no chain states. A run that was killed leaves such ones: they are not wrong, nor proven.

        Args:
            digests: as for problems().
        """
        found = sorted({
            f"data/runs/{named.group(1)}: no event of the incident names this run" for path in digests
            if (named := _RUN.match(path)) and named.group(1) not in self._told
        }) if not self._hidden else []
        of_run: dict[str, dict[str, Path]] = {}
        for path in digests:
            if path.startswith(f"data/{keeping.HOSTS}/"):
                host, _slash, rest = path.removeprefix(f"data/{keeping.HOSTS}/").partition("/")
                run, _slash, name = rest.partition("/")
                of_run.setdefault(run, {})[f"{keeping.HOSTS}/{host}/{name}"] = self._bundle / path
        for run, there in of_run.items():
            stated = self._runs.get(run) or Stated(self._bundle / "data" / "runs" / run)
            found += [
                f"{path.relative_to(self._bundle).as_posix()}: {text}"
                for path, text in stated.unstated(there, lambda path: digests[path.relative_to(self._bundle).as_posix()])
            ]
        return found

    @property
    def count(self) -> int:
        """Of how many files something is stated."""
        return len(self._files) + sum(stated.count for stated in self._runs.values())


def _ends_otherwise(event: Mapping[str, Any], ended: Mapping[str, Any] | None) -> str:
    """How what an event says of a run's end differs from what the record says; "" when it does not, or says nothing."""
    outcome, status = event.get("outcome"), event.get("exit_status")
    if event.get("type") != model.RUN_ENDED or not outcome or outcome in _UNWRITTEN or _TOKEN.search(str(outcome)):
        return ""
    said = f"event {event.get('seq')} of the incident says that it ended as {outcome} ({status})"
    if ended is None:
        return f"{said}, and its record has no end"
    if (outcome, status) == (ended.get("outcome"), ended.get("exit_status")):
        return ""
    return f"{said}, its record as {ended.get('outcome')} ({ended.get('exit_status')})"
