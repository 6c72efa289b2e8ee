# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forwarded port, held open by a process of ours that ends by itself.

This module util is PRIVATE to the collection: it may change at any time.

The command (ssh, kubectl) runs below a supervisor that ends it when told, or when its lifetime is over: nothing stays
behind a controller that died. The supervisor holds a lock on a file as long as it lives, so that a process id from that file
is known to be the supervisor's, and not somebody's who came later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t

from .._core.errors import BadInput, CannotReach

LOCAL_PORT = "{local_port}"
ADDRESS = "127.0.0.1"
#: How often another port is tried when the command ends at once: somebody else may have taken it in between.
ATTEMPTS = 3
#: How long a command may take to end after SIGTERM, seconds.
GRACE = 3.0
POLL = 0.05
_PREFIX = "oncall-tunnel-"
_MAX_OUTPUT = 2000


def open_tunnel(command: t.Sequence[str], *, timeout: float, lifetime: float) -> dict[str, t.Any]:
    """Start the command and wait until its port takes connections.

    Args:
        command: argv, with {local_port} where the port to listen on goes.
        timeout: seconds until it must listen.
        lifetime: seconds after which it ends by itself.

    Returns:
        host, port, and the handle for close_tunnel().

    Raises:
        BadInput: the command does not say where the port goes.
        CannotReach: it ended, or did not listen in time; with what it said.
    """
    if not any(LOCAL_PORT in part for part in command):
        raise BadInput(f"command: {LOCAL_PORT} is in none of its parts.", hint="Write it where the port to listen on goes.")
    until = time.monotonic() + timeout
    for attempt in range(1, ATTEMPTS + 1):
        handle = tempfile.mkdtemp(prefix=_PREFIX)
        port = _free_port()
        supervisor = _start([part.replace(LOCAL_PORT, str(port)) for part in command], handle=handle, lifetime=lifetime)
        ended = _await_port(port, supervisor, until=until)
        if ended is None:
            return {"host": ADDRESS, "port": port, "handle": handle}
        said = _output(handle)
        close_tunnel(handle)
        if not ended or attempt == ATTEMPTS:
            what = "ended before it listened" if ended else f"did not listen within {timeout:g} s"
            # kubectl repeats itself in its log's own format before it says what is wrong: the last line is the message.
            why = said.splitlines()[-1] if said else "it said nothing"
            raise CannotReach(
                f"The tunnel's command {what}: {why}", hint="Try it in a shell.", error="no_tunnel",
                command=list(command), output=said,
            )
    raise CannotReach("The tunnel could not be opened.", error="no_tunnel")


def close_tunnel(handle: str) -> bool:
    """End a tunnel and remove its directory; whether it was still open. One that has ended already is none."""
    if not os.path.basename(handle).startswith(_PREFIX):
        raise BadInput(f"handle: {handle} is not a tunnel's.", hint="Give what opening it returned.")
    was_open = False
    with contextlib.suppress(OSError), open(_lock_path(handle), encoding="ascii") as file:
        deadline = time.monotonic() + GRACE * 2
        while _held(file):
            if not was_open:
                was_open = True
                os.kill(int(file.read()), signal.SIGTERM)
            if time.monotonic() > deadline:
                raise CannotReach(f"The tunnel {handle} does not end.", error="no_tunnel")
            time.sleep(POLL)
    shutil.rmtree(handle, ignore_errors=True)
    return was_open


def _start(argv: t.Sequence[str], *, handle: str, lifetime: float) -> int:
    """Fork the supervisor; its process id. It holds its lock when this returns."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            status = _supervise(argv, handle=handle, lifetime=lifetime, ready=writer)
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as ready:
        ready.read()
    return pid


def _supervise(argv: t.Sequence[str], *, handle: str, lifetime: float, ready: int) -> int:
    os.setsid()
    # Whatever else was inherited must not be held open by us: Ansible waits for the end of the module's pipes.
    os.closerange(3, ready)
    os.closerange(ready + 1, 4096)
    lock = os.open(_lock_path(handle), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, str(os.getpid()).encode("ascii"))
    output = os.open(_output_path(handle), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, instead in ((0, nothing), (1, output), (2, output)):
        os.dup2(instead, descriptor)
    stop = {"asked": False}

    def ask(signum: int, frame: t.Any) -> None:
        stop["asked"] = True

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    until = time.monotonic() + lifetime
    try:
        # There is no module here any more: this process outlives it, and run_command would wait for the end.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(argv), stdin=nothing, stdout=output, stderr=output
        )
    except OSError as exc:
        os.write(output, f"{argv[0]}: {exc.strerror}".encode())
        return 127
    finally:
        os.close(ready)
    while process.poll() is None and not stop["asked"] and time.monotonic() < until:
        time.sleep(POLL)
    expired = time.monotonic() >= until
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if expired:
        shutil.rmtree(handle, ignore_errors=True)
    return process.returncode & 0xFF


def _await_port(port: int, supervisor: int, *, until: float) -> bool | None:
    """None when the port takes connections; True when the command ended before, False when the time was up."""
    while True:
        if os.waitpid(supervisor, os.WNOHANG)[0]:
            return True
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), timeout=1.0):
            # Somebody else's listener on this port would have made the command end.
            time.sleep(POLL)
            return True if os.waitpid(supervisor, os.WNOHANG)[0] else None
        if time.monotonic() > until:
            return False
        time.sleep(POLL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _held(file: t.Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _output(handle: str) -> str:
    with contextlib.suppress(OSError), open(_output_path(handle), "rb") as file:
        return file.read(_MAX_OUTPUT).decode("utf-8", "replace").strip()
    return ""


def _lock_path(handle: str) -> str:
    return os.path.join(handle, "pid")


def _output_path(handle: str) -> str:
    return os.path.join(handle, "output")
