# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle as one tar, the same bytes every time, and taking one apart without letting it write anywhere else."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import typer

from ..errors import Stop
from ..exits import Exit
from . import bag, names, places, pushing, sealing, timeline, times
from .incident import Incident

_COMPRESSED = (".gz", ".tgz")
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_SPARE_BYTES = 1 << 30


def is_archive(path: Path) -> bool:
    """Whether a file is named like a tar."""
    return path.name.endswith(_ARCHIVES) and path.is_file()


def tar(incident: Incident, to: Path) -> str:
    """Write the sealed bag as one tar; its SHA-256. The same bag gives the same bytes: order, times, owners and modes are fixed.

    Raises:
        Stop: it is not sealed, is not as it was sealed, or cannot be written.
    """
    number, seal = sealing.last(incident)
    sealing.require_intact(incident)
    at = _sealed_at(seal)
    part = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with (
            part.open("wb") as raw, _compressed(raw, to) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path, sealed in sorted(pushing.sealed_files(incident.bundle).items()):
                _add(archive, incident, path, sealed, at)
        part.replace(to)
    except Stop:
        part.unlink(missing_ok=True)
        raise
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise Stop(f"{exc.filename or to}: {exc.strerror}.", hint="Choose a place that you can write.") from exc
    digest = bag.digest(to)
    incident.custody("exported", {"to": str(to), "sha256": digest, "seal": number})
    return digest


class _Hashed:
    """A file that is hashed while it is read: it is read once, and what was hashed is what was written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.total = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.total.update(data)
        return data


def _add(archive: tarfile.TarFile, incident: Incident, path: str, sealed: str, at: int) -> None:
    local = incident.bundle / path
    if local.is_symlink() or not local.is_file():
        raise pushing.not_as_sealed(path, "")
    member = tarfile.TarInfo(f"{incident.id}/{path}")
    member.size, member.mtime, member.mode = local.stat().st_size, at, 0o644
    with local.open("rb") as source:
        hashed = _Hashed(source)
        archive.addfile(member, hashed)
    digest = hashed.total.hexdigest()
    if sealed and digest != sealed:
        raise pushing.not_as_sealed(path, digest)


def timesketch(incident: Incident, to: str) -> None:
    """Write the timeline as JSON lines.

    Raises:
        Stop: it cannot be written.
    """
    for run, run_dir in incident.runs():
        if not str(run_dir).startswith(str(incident.data)):
            typer.echo(f"The run {run.run} is not collected yet and is left out; incident seal takes it in.", err=True)
    if to == "-":
        for line in timeline.lines(incident.data):
            typer.echo(line)
        return
    if not to.endswith(".jsonl"):
        raise Stop(f"--timesketch {to}: Timesketch reads a file whose name ends with .jsonl.", hint="Name it so.")
    try:
        with open(to, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.writelines(f"{line}\n" for line in timeline.lines(incident.data))
    except OSError as exc:
        raise Stop(f"{to}: {exc.strerror}.", hint="Choose a place that you can write.") from exc
    incident.custody("exported", {"to": to, "what": "timeline"})


def unpack(path: Path, to: Path) -> Path:
    """Take a bundle's tar apart; the bundle's directory. Only regular files with safe names are written, all below `to`.

    Raises:
        Stop: it is not a tar, there is no bundle in it, or a member would go elsewhere, is not a regular file, or does not fit.
    """
    seen: set[str] = set()
    room = shutil.disk_usage(to).free - _SPARE_BYTES
    top = ""
    try:
        with tarfile.open(path, mode="r:*") as archive:
            for member in archive:
                name = member.name.rstrip("/")
                if not names.is_safe_path(name):
                    raise _escapes(path, f"{member.name!r} would be unpacked elsewhere, or under a name that no bundle has")
                if not (member.isreg() or member.isdir()):
                    raise _escapes(path, f"{name} is not a regular file")
                if name in seen:
                    raise _escapes(path, f"{name} is in it twice")
                seen.add(name)
                top = top or name.split("/")[0]
                if name.split("/")[0] != top:
                    raise _escapes(path, f"{name} is not below {top}")
                target = to.joinpath(*name.split("/"))
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                room -= member.size
                if room < 0:
                    raise _escapes(path, "it is larger than the room there is to unpack it")
                target.parent.mkdir(parents=True, exist_ok=True)
                source = archive.extractfile(member)
                if source is not None:
                    with target.open("xb") as stream:
                        shutil.copyfileobj(source, stream, 1 << 20)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as exc:
        raise Stop(f"{path} is not a whole tar: {exc}.", hint="Was it copied completely?", status=Exit.FAILED) from exc
    except OSError as exc:
        hint = "List its contents with tar -tvf."
        raise Stop(f"{path} cannot be unpacked: {exc.strerror or exc}.", hint=hint, status=Exit.FAILED) from exc
    bundle = to / top if top else to
    if not places.is_bundle(bundle) and not (bundle / "bagit.txt").is_file():
        raise Stop(
            f"{path} is not a bundle: {f'{top} in it is none' if top else 'it is empty'}.",
            hint="incident export INCIDENT --tar FILE makes one; its only directory is named by the incident.", status=Exit.FAILED,
        )
    return bundle


def _escapes(path: Path, why: str) -> Stop:
    return Stop(f"{path}: {why}.", hint="This is not a bundle of ours, or somebody changed it. Nothing of it was used.", status=Exit.FAILED)


def _sealed_at(seal: Path) -> int:
    try:
        return int(times.parse(str(json.loads((seal / "seal.json").read_text(encoding="utf-8"))["at"])).timestamp())
    except (OSError, ValueError, KeyError, TypeError):
        return 0


@contextmanager
def _compressed(raw: IO[bytes], to: Path) -> Iterator[IO[bytes]]:
    if to.suffix not in _COMPRESSED:
        yield raw
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
        yield stream  # type: ignore[misc]
