# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy elsewhere, written once: any fsspec URL; on S3 with Object Lock retention."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from pathlib import Path
from typing import Any

from ..errors import Stop
from ..exits import Exit
from . import bag, sealing, times
from .incident import Incident
from .settings import Settings
from .urls import public

_CHUNK = 1 << 20
#: Making a directory there would make the bucket, without the locks that its owner would have set.
_WITHOUT_DIRECTORIES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})


@dataclasses.dataclass(frozen=True)
class Pushed:
    """A copy that was made and read back."""

    url: str
    files: int
    bytes: int
    already: int
    locked_until: str


def push(
    incident: Incident, url: str, *, configured: Settings, retain: float | None = None, lock_mode: str | None = None,
) -> Pushed:
    """Copy the sealed bag to `<url>/<ID>/<seal>/`. Nothing that is there is written again; every file is read back and hashed.

    Args:
        retain: seconds of retention by S3's Object Lock, where it is not the configured one.

    Raises:
        Stop: it is not sealed, something else is there already, or the place cannot be written. The bag here stays as it is.
    """
    number, seal = sealing.last(incident)
    sealing.require_intact(incident)
    seconds = retain if retain is not None else configured.retain
    until = times.now() + datetime.timedelta(seconds=seconds) if seconds else None
    target = f"{url.rstrip('/')}/{incident.id}/{number:04d}"
    try:
        made = _copy(incident.bundle, target, until=until, lock_mode=lock_mode or configured.lock_mode)
    except Stop as stop:
        incident.custody("push_failed", {"to": public(target), "seal": number, "why": stop.message})
        raise
    except Exception as exc:
        # fsspec's file systems raise what their clients raise.
        why = f"{type(exc).__name__}: {' '.join(str(exc).split())[:300]}"
        why = why.replace(target, public(target)).replace(url, public(url))
        incident.custody("push_failed", {"to": public(target), "seal": number, "why": why})
        raise Stop(
            f"{public(target)} could not be written: {why}.", hint="The bag here is whole; push again when the place can be reached.",
            status=Exit.FAILED,
        ) from exc
    incident.custody("pushed", {
        "to": public(target), "seal": number, "tagmanifest_sha256": bag.digest(seal / bag.TAG_MANIFEST), "files": made.files,
        "locked_until": made.locked_until,
    })
    return made


def _copy(bundle: Path, target: str, *, until: datetime.datetime | None, lock_mode: str) -> Pushed:
    system, root = _open(target)
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    is_s3 = "s3" in protocols
    if until is not None and not is_s3:
        raise Stop(f"{public(target)} has no retention.", hint="Object Lock is S3's: leave retain out, or push to an s3:// URL.")
    more: dict[str, Any] = {"ObjectLockMode": lock_mode, "ObjectLockRetainUntilDate": until} if until is not None else {}
    total, already, size = 0, 0, 0
    for path, sealed in sealed_files(bundle).items():
        local, remote = bundle / path, f"{root}/{path}"
        expected, length = _local(local), local.stat().st_size if local.is_file() else 0
        if expected != (sealed or expected) or not expected:
            raise not_as_sealed(path, expected)
        total, size = total + 1, size + length
        if system.exists(remote):
            if _digest(system, remote) != expected:
                raise Stop(
                    f"{public(target)}/{path} is there already and is something else.", status=Exit.FAILED,
                    hint="A copy is written once: find out who wrote it, or push elsewhere.",
                )
            already += 1
            continue
        if not protocols & _WITHOUT_DIRECTORIES:
            system.makedirs(remote.rpartition("/")[0], exist_ok=True)
        system.put_file(str(local), remote, **more)
        if _digest(system, remote) != expected:
            hint = "Push again, or elsewhere."
            raise Stop(f"{public(target)}/{path} does not read back as it was written.", status=Exit.FAILED, hint=hint)
    return Pushed(public(target), total, size, already, times.text(until) if until else "")


def sealed_files(bundle: Path) -> dict[str, str]:
    """What a copy consists of, with the SHA-256 that the manifests say; "" for what no manifest can: the last seal's own files.

    The tag manifest comes last: a copy without it is visibly not finished.
    """
    payload, _wrong = bag.read_manifest(bundle / bag.MANIFEST)
    tags, _wrong = bag.read_manifest(bundle / bag.TAG_MANIFEST)
    number, last = sealing.seals(bundle)[-1]
    own = {path: "" for path in bag.walk(bundle, f"seal/{last.name}").files if sealing.of_last(path, number)}
    own.update({f"seal/{last.name}/{name}": tags[name] for name in (bag.MANIFEST, bag.BAG_INFO) if name in tags})
    return {**payload, **own, **tags, bag.TAG_MANIFEST: ""}


def not_as_sealed(path: str, digest: str) -> Stop:
    """A copy of evidence that was tampered with would look like evidence."""
    return Stop(
        f"{path} {'was changed' if digest else 'is missing or not a regular file'}: the seal covers something else.", status=Exit.FAILED,
        hint="incident verify says more. Nothing more was copied.",
    )


def _local(path: Path) -> str:
    """A file's SHA-256; "" when it cannot be read."""
    try:
        return bag.digest(path)
    except OSError:
        return ""


def _open(target: str) -> tuple[Any, str]:
    import fsspec
    from fsspec.core import url_to_fs

    protocol = fsspec.utils.get_protocol(target)
    try:
        # A listing that was cached would hide what somebody else wrote meanwhile.
        system, root = url_to_fs(target, use_listings_cache=False) if protocol == "s3" else url_to_fs(target)
    except ImportError as exc:
        extra = "pip install 'oncall-incident[s3]'" if protocol == "s3" else f"pip install the package that serves {protocol}://"
        raise Stop(f"{public(target)}: {protocol}:// needs another package.", hint=extra) from exc
    except ValueError as exc:
        hint = "Write file:///path, s3://bucket/prefix or a directory."
        raise Stop(f"{public(target)} is not a place that fsspec knows: {str(exc).replace(target, public(target))}.", hint=hint) from exc
    return system, str(root)


def _digest(system: Any, path: str) -> str:
    total = hashlib.sha256()
    with system.open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
