# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of the host: bounded in time and output, and never waited for longer than it runs.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import shutil
import signal
import subprocess
import time
import typing as t

MAX_SECONDS = 20.0
MAX_OUTPUT = 64 * 1024 * 1024
#: Kept of what a program says on stderr, its beginning.
MAX_ERRORS = 64 * 1024
#: Between the polite signal and the other one, and after that: seconds.
GRACE = 0.5
#: Where administrators' programs are; users' PATHs often lack them.
_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
_CHUNK = 64 * 1024
#: A program that has ended while something else keeps its outputs open is noticed within this time: seconds.
_TICK = 0.05


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        status: its exit status, negative for a signal; None where it did not start, or cannot be ended (it waits for a disk).
        out: what it said, unless the caller took it; err: the beginning of what it said on stderr.
        problem: why it did not start.
        late: its time was up, so it was ended.
        cut: it said more than was wanted, so it was ended.
    """

    status: t.Optional[int] = None
    out: bytes = b""
    err: bytes = b""
    problem: str = ""
    late: bool = False
    cut: bool = False


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a program said. `problem` is empty when it succeeded; `missing` when it is not there.

    `status` is its exit status; None where it did not start, or was ended since it took too long or said too much.
    """

    out: str = ""
    err: str = ""
    problem: str = ""
    missing: bool = False
    status: t.Optional[int] = None


Run = t.Callable[[t.Sequence[str]], Ran]


def find(name: str) -> str | None:
    """The path of a program."""
    if os.sep in name:
        return name if os.access(name, os.X_OK) else None
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))


def run(argv: t.Sequence[str], *, seconds: float = MAX_SECONDS) -> Ran:
    """Run a program, in a language that we can read; never raises."""
    path = find(argv[0])
    if path is None:
        return Ran(problem=f"{argv[0]} is not installed", missing=True)
    done = execute([path, *argv[1:]], seconds=max(seconds, 0.1), env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"})
    if done.problem:
        return Ran(problem=f"{argv[0]}: {done.problem}")
    if done.late:
        return Ran(problem=f"{argv[0]} did not end within {seconds:g} s")
    if done.cut:
        return Ran(problem=f"{argv[0]} printed more than {MAX_OUTPUT} bytes")
    out, err = done.out.decode("utf-8", "replace"), done.err.decode("utf-8", "replace")
    if done.status:
        said = (err or out).strip()
        return Ran(out=out, err=err, problem=f"{said[:300] or 'status ' + str(done.status)}", status=done.status)
    return Ran(out=out, err=err, status=done.status)


def execute(
    argv: t.Sequence[str], *, seconds: float, env: t.Optional[t.Mapping[str, str]] = None, cwd: t.Optional[str] = None,
    take: t.Optional[t.Callable[[bytes], t.Any]] = None, most: int = MAX_OUTPUT, output: t.Optional[t.IO[bytes]] = None,
    own_group: bool = False, started: t.Callable[[int], None] = lambda pid: None, grace: float = GRACE,
) -> Ended:
    """Run a program to its end. What it leaves running is not waited for.

    Args:
        seconds: after which it is ended.
        take: is given what it prints, part by part, instead of its being kept.
        most: bytes of output; with the next one it is ended.
        output: a file for all that it says, instead of being read: for a program that starts servers, which may write there later.
        own_group: it gets a session of its own and is ended with all that it started. Without, it keeps the terminal, as sudo may need.
        started: is told the process's id.
        grace: seconds between the polite signal and the other one, and after that.
    """
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=output or subprocess.PIPE, stderr=subprocess.STDOUT if output else subprocess.PIPE,
            start_new_session=own_group, cwd=cwd, env=env,
        )
    except (OSError, ValueError) as exc:
        return Ended(problem=getattr(exc, "strerror", None) or str(exc))
    kept = bytearray()
    heard = _Heard(take or kept.extend, most=most)
    late = False
    try:
        started(process.pid)
        late = heard.listen(process, until=time.monotonic() + seconds)
    finally:
        status = _end(process, own_group=own_group, grace=grace)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return Ended(status=status, out=bytes(kept), err=bytes(heard.errors), late=late, cut=heard.cut)


class _Heard:
    """What a program says, as far as it is wanted."""

    def __init__(self, take: t.Callable[[bytes], t.Any], *, most: int) -> None:
        self._take = take
        self._left = most
        self.errors = bytearray()
        self.cut = False

    def listen(self, process: subprocess.Popen[bytes], *, until: float) -> bool:
        """Read both outputs until the program ends or says too much; whether its time was up before."""
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream, selectors.EVENT_READ)
            while not self.cut:
                ended, left = process.poll() is not None, until - time.monotonic()
                if left <= 0:
                    return not ended
                if not selector.get_map():
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=left)
                    return process.returncode is None
                ready = selector.select(0 if ended else min(left, _TICK))
                if ended and not ready:
                    return False
                for key, _events in ready:
                    self._read(key.fd, selector, errors=key.fileobj is process.stderr)
        return False

    def _read(self, descriptor: int, selector: selectors.BaseSelector, *, errors: bool) -> None:
        data = os.read(descriptor, _CHUNK)
        if not data:
            selector.unregister(descriptor)
        elif errors:
            self.errors += data[: MAX_ERRORS - len(self.errors)]
        else:
            part = data[: self._left]
            self._take(part)
            self._left -= len(part)
            self.cut = self.cut or len(part) < len(data)


def _end(process: subprocess.Popen[bytes], *, own_group: bool, grace: float) -> t.Optional[int]:
    """The exit status, after ending a program that still runs. None: it cannot be ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            if own_group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace)
    return process.returncode
