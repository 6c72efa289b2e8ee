# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of configuration that are kept in an archive or a directory: read, compare, put back, measure, and take back again.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import posixpath
import socket
import stat
import tarfile
import tempfile
import time
import typing as t

from .._core import why
from .._core.acting import Candidate, Sight, Subject, act, untouched
from .._core.actions import DONE, FAILED, MOVED_ON, UNKNOWN, Action, Approved
from .._core.errors import BadInput, Blind, IncidentError
from .._core.judging import Judged
from .._module.lease import acting_alone
from .._module.programs import Run
from .decisions import configuration
from .decisions.configuration import VERBS, ConfigFile

#: No file of configuration is larger, nor is a file of checksums.
_MOST = 1 << 20
_BLOCK = 1 << 20
_PAUSE = 1.0


@dataclasses.dataclass(frozen=True)
class Restore:
    """What is put back, and how it is measured.

    Attributes:
        paths: the files that may be, absolute.
        source: a tar archive or a directory, in which each has its path below `root`.
        checksum: the file with the archive's digest, or those of the directory's files, as sha256sum(1) writes it.
        validate: a command that ends with 0 where the configuration is valid. Where it says {file}, it is run for each new file before it
            is put there, else once after all are.
        apply: a command that makes the service take it.
        health: a command that ends with 0 where the service is well; it must do so for `hold` seconds, within `seconds`.
        kept_in: the directory in which the old files are kept.
    """

    paths: t.Sequence[str]
    source: str
    root: str = "/"
    checksum: str = ""
    validate: t.Sequence[str] = ()
    apply: t.Sequence[str] = ()
    health: t.Sequence[str] = ()
    hold: float = 10.0
    seconds: float = 60.0
    kept_in: str = "/var/lib/oncall-incident/configuration"


class Kept:
    """What is kept of the listed files: read once, verified."""

    def __init__(self, wanted: Restore) -> None:
        paths = configuration.check_paths(wanted.paths, root=wanted.root)
        if not wanted.source.startswith("/"):
            raise BadInput(f"source: {wanted.source} is not an absolute path.", hint="Give it from / on.")
        names = {path: posixpath.relpath(path, wanted.root) for path in paths}
        try:
            found = _of_directory(wanted, names) if os.path.isdir(wanted.source) else _of_archive(wanted, names)
        except (OSError, tarfile.TarError, EOFError) as exc:
            raise Blind(f"{wanted.source}: {getattr(exc, 'strerror', None) or exc}", hint="Name an archive that can be read.") from exc
        self.contents = found


def _of_directory(wanted: Restore, names: t.Mapping[str, str]) -> dict[str, bytes]:
    sums = _checksums(wanted.checksum or os.path.join(wanted.source, "SHA256SUMS"))
    found = {}
    for path, name in names.items():
        where = os.path.join(wanted.source, name)
        if os.path.realpath(where) != os.path.join(os.path.realpath(wanted.source), name):
            raise Blind(f"{where} is behind a symbolic link.", hint="Keep the file itself.")
        found[path] = _bounded(where)
        if sums.get(posixpath.normpath(name)) != hashlib.sha256(found[path]).hexdigest():
            raise Blind(f"{where} does not have the digest that is noted of it.", hint="Name a copy that is whole.")
    return found


def _of_archive(wanted: Restore, names: t.Mapping[str, str]) -> dict[str, bytes]:
    sums = _checksums(wanted.checksum or f"{wanted.source}.sha256")
    digest = hashlib.sha256()
    with open(wanted.source, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
        if digest.hexdigest() not in sums.values():
            raise Blind(f"{wanted.source} does not have the digest that is noted of it.", hint="Name an archive that is whole.")
        # The same open file: what was verified is what is read.
        file.seek(0)
        found: dict[str, bytes] = {}
        by_name = {name: path for path, name in names.items()}
        with tarfile.open(fileobj=file, mode="r:*") as archive:
            for member in archive:
                path = by_name.get(_plain(member.name, wanted.root))
                if path is None:
                    continue
                inside = archive.extractfile(member) if member.isreg() and member.size <= _MOST else None
                if inside is None or path in found:
                    raise Blind(
                        f"{wanted.source}: {member.name} is not one regular file of at most {_MOST} bytes.",
                        hint="Keep the file itself, once.",
                    )
                found[path] = inside.read()
    missing = [name for path, name in names.items() if path not in found]
    if missing:
        raise Blind(f"{wanted.source} has no {missing[0]}.", hint="Name an archive that has every listed file, or list fewer.")
    return found


def _plain(name: str, root: str) -> str:
    """The name of a member as it is below the root; one that leaves it is none of ours."""
    plain = posixpath.normpath(name)
    return posixpath.relpath(plain, root) if plain.startswith("/") else plain


def _checksums(path: str) -> dict[str, str]:
    """Digests by name, of a file as sha256sum(1) writes it."""
    found = {}
    try:
        text = _bounded(path).decode("utf-8", "replace")
    except OSError as exc:
        hint = "Nothing is put back that no digest vouches for: sha256sum makes that file."
        raise Blind(f"{path}: {exc.strerror or exc}", hint=hint) from exc
    for line in text.splitlines():
        digest, _space, name = line.partition(" ")
        if len(digest) == 64:
            found[posixpath.normpath(name.strip().lstrip("*") or path)] = digest.lower()
    return found


def _bounded(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(22, "Not a regular file", path)
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise OSError(27, f"More than {_MOST} bytes", path)
    return data


def files_of(wanted: Restore, kept: Kept) -> list[ConfigFile]:
    """How each listed file is now, beside what is kept of it."""
    return [_file(path, kept.contents[path]) for path in wanted.paths]


def _file(path: str, kept: bytes) -> ConfigFile:
    digest = hashlib.sha256(kept).hexdigest()
    if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path) or os.path.islink(path):
        return ConfigFile(path, kept=digest, against=f"{path} is behind a symbolic link")
    try:
        now = _bounded(path)
    except FileNotFoundError:
        at_all = os.path.isdir(os.path.dirname(path))
        return ConfigFile(path, kept=digest, against="" if at_all else f"{os.path.dirname(path)} is not there")
    except OSError as exc:
        return ConfigFile(path, kept=digest, against=f"{path}: {exc.strerror or exc}")
    texts = [data.decode("utf-8", "replace") for data in (now, kept)]
    same = now == kept
    return ConfigFile(path, hashlib.sha256(now).hexdigest(), digest, diff=() if same else configuration.diff(path, *texts))


def look(wanted: Restore, *, asked: t.Optional[t.Sequence[str]], run: Run) -> Judged:
    """Whether the files are as they are kept, and valid where a command tells that without {file}."""
    files: list[ConfigFile] = []
    trouble, valid, said = "", None, ""
    try:
        files = files_of(wanted, Kept(wanted))
    except Blind as exc:
        trouble = exc.message
    if wanted.validate and not _by_file(wanted):
        ran = run(wanted.validate)
        valid, said = not ran.problem, configuration.masked(ran.problem)
    return configuration.judge_config(files, trouble=trouble, valid=valid, said=said, asked=asked)


def _by_file(wanted: Restore) -> bool:
    return any("{file}" in word for word in wanted.validate)


@dataclasses.dataclass
class _Step:
    """One file on its way: where the new one waits, and where the old one is kept."""

    candidate: Candidate[ConfigFile]
    new: str = ""
    old: str = ""
    there: t.Optional[os.stat_result] = None
    placed: bool = False

    @property
    def path(self) -> str:
        """Of the file."""
        return self.candidate.target.path


class Configuration(Subject[ConfigFile]):
    """The listed files of this host. All that are approved are put back together, or none."""

    verbs = VERBS
    noun = "files"
    done = "put back"

    def __init__(self, wanted: Restore, *, max_files: int, spent: int, run: Run) -> None:
        self._wanted, self._max_files, self._spent, self._run = wanted, max_files, spent, run
        self.resource = f"host:{socket.gethostname()}"

    def alone(self) -> t.ContextManager[t.Any]:
        return acting_alone("configuration of this host")

    def look(self) -> Sight[ConfigFile]:
        self._kept = Kept(self._wanted)
        return configuration.sight(
            files=files_of(self._wanted, self._kept), resource=self.resource, source=self._wanted.source, max_files=self._max_files,
            spent=self._spent,
        )

    def carry_out_all(self, candidates: t.Sequence[Candidate[ConfigFile]]) -> t.Iterator[Action]:
        steps = [_Step(one) for one in candidates]
        moved = [one for one in steps if _file(one.path, self._kept.contents[one.path]).now != one.candidate.target.now]
        if moved:
            for step in steps:
                yield dataclasses.replace(step.candidate.action, touched=False).with_outcome(
                    MOVED_ON, why=why.NO_LONGER_MATCHES, error=f"{moved[0].path} has changed since it was looked at",
                )
            return
        problem, code = self._place(steps)
        touched = any(step.placed for step in steps)
        left = self._take_back(steps) if problem and touched else ""
        for step in steps:
            action = step.candidate.action.with_outcome(DONE, **({"old": step.old} if step.old else {}))
            if problem and not touched:
                action = untouched(step.candidate.action, code, error=problem)
            elif problem:
                outcome = UNKNOWN if left else FAILED
                said = f"{problem}. {left or 'The old files are back.'}"
                action = dataclasses.replace(action, touched=True).with_outcome(outcome, why=code, error=said, put_back=not left)
            yield action

    def _place(self, steps: t.Sequence[_Step]) -> tuple[str, str]:
        """Put all files there and measure: why that did not go well, with the code of it; both are empty where it did."""
        try:
            kept_in = os.path.join(self._wanted.kept_in, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
            for step in steps:
                self._stage(step)
                self._keep(step, kept_in)
            if _by_file(self._wanted):
                for step in steps:
                    ran = self._run([word.replace("{file}", step.new) for word in self._wanted.validate])
                    if ran.problem:
                        return f"{step.path} is not valid: {configuration.masked(ran.problem)}", why.TARGET_REFUSED
            for step in steps:
                step.placed = True
                os.replace(step.new, step.path)
        except OSError as exc:
            code = why.NOT_PERMITTED if isinstance(exc, PermissionError) else why.TARGET_REFUSED
            return f"{exc.filename or ''}: {exc.strerror or exc}", code
        finally:
            for step in steps:
                if step.new:
                    with contextlib.suppress(OSError):
                        os.unlink(step.new)
        if self._wanted.validate and not _by_file(self._wanted):
            ran = self._run(self._wanted.validate)
            if ran.problem:
                return f"the configuration is not valid: {configuration.masked(ran.problem)}", why.TARGET_REFUSED
        return self._applied()

    def _applied(self) -> tuple[str, str]:
        if self._wanted.apply:
            ran = self._run(self._wanted.apply)
            if ran.problem:
                return f"{' '.join(self._wanted.apply)} failed: {configuration.masked(ran.problem)}", why.TARGET_REFUSED
        return self._well()

    def _well(self) -> tuple[str, str]:
        """Whether the service is well for as long as it should, within its time."""
        if not self._wanted.health:
            return "", ""
        since: t.Optional[float] = None
        end, said = time.monotonic() + self._wanted.seconds, ""
        while True:
            ran = self._run(self._wanted.health)
            now = time.monotonic()
            said = configuration.masked(ran.problem)
            since = None if ran.problem else now if since is None else since
            if since is not None and now - since >= self._wanted.hold:
                return "", ""
            if now >= end:
                return f"the service is not well with it: {said or 'it did not stay so'}", why.DID_NOT_HOLD
            time.sleep(min(_PAUSE, max(end - now, 0.0)))

    def _stage(self, step: _Step) -> None:
        data = self._kept.contents[step.path]
        with contextlib.suppress(FileNotFoundError):
            step.there = os.lstat(step.path)
        handle, step.new = tempfile.mkstemp(dir=os.path.dirname(step.path), prefix=f".{os.path.basename(step.path)}.incident-")
        with open(handle, "wb") as file:
            file.write(data)
            if step.there is not None:
                os.fchown(handle, step.there.st_uid, step.there.st_gid)
                os.fchmod(handle, stat.S_IMODE(step.there.st_mode))
            file.flush()
            os.fsync(handle)

    def _keep(self, step: _Step, directory: str) -> None:
        if step.there is None:
            return
        step.old = os.path.join(directory, step.path.lstrip("/"))
        os.makedirs(os.path.dirname(step.old), mode=0o700, exist_ok=True)
        with open(os.open(step.old, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(_bounded(step.path))
            file.flush()
            os.fsync(file.fileno())

    def _take_back(self, steps: t.Sequence[_Step]) -> str:
        """Put the old files back, and make the service take them: why that did not go well, empty where it did."""
        trouble = []
        for step in steps:
            if not step.placed:
                continue
            try:
                if step.there is None:
                    os.unlink(step.path)
                    continue
                handle, new = tempfile.mkstemp(dir=os.path.dirname(step.path), prefix=f".{os.path.basename(step.path)}.incident-")
                with open(handle, "wb") as file:
                    file.write(_bounded(step.old))
                    os.fchown(handle, step.there.st_uid, step.there.st_gid)
                    os.fchmod(handle, stat.S_IMODE(step.there.st_mode))
                os.replace(new, step.path)
            except OSError as exc:
                trouble.append(f"{step.path} could not be put back from {step.old}: {exc.strerror or exc}")
        ran = self._run(self._wanted.apply) if self._wanted.apply and not trouble else None
        if ran is not None and ran.problem:
            trouble.append(f"the old files are back, and {' '.join(self._wanted.apply)} failed: {configuration.masked(ran.problem)}")
        return "; ".join(trouble)


def restore(
    wanted: Restore, *, max_files: int, spent: int, approved: t.Optional[t.Sequence[Approved]], check_mode: bool, run: Run,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Put the files back: the module's result, and what must fail its task."""
    done = act(Configuration(wanted, max_files=max_files, spent=spent, run=run), approved=approved, check_mode=check_mode)
    return done.as_result(limits={"max_files": max_files}), done.problem
