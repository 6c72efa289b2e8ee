# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask from inside a container: in its network namespace, by its own names, without running anything of it.

This module util is PRIVATE to the collection: it may change at any time.

A namespace is a thread's own (setns(2)), so it is a thread that goes there, and none that does anything else afterwards.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import random
import re
import socket
import typing as t

from .._core.errors import Blind
from .._module.programs import Run
from .decisions import names

_CLONE_NEWNET = 0x40000000
_DNS_SECONDS = 2.0
_MOST_READ = 64 * 1024
#: What container engines take as a name or an id.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@dataclasses.dataclass(frozen=True)
class Inside:
    """The network that a process has.

    Attributes:
        pid: of the process.
        start: when it began, so that another process of the number is told from it: proc(5), field 22 of stat.
    """

    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> Inside:
        """Of a process that runs.

        Raises:
            Blind: it does not, or we may not go there.
        """
        if os.geteuid() != 0:
            raise Blind("the network of a container is root's alone", hint="Become root on its host.")
        return cls(pid, _start_of(pid))

    def enter(self) -> None:
        """Go there with this thread, for good.

        Raises:
            Blind: it is not there any more, or we may not.
        """
        try:
            descriptor = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise Blind(f"process {self.pid} cannot be looked at: {(exc.strerror or str(exc)).lower()}", hint="Look again.") from None
        try:
            if _start_of(self.pid) != self.start:
                raise Blind(f"process {self.pid} is another one by now", hint="Look again.")
            library = ctypes.CDLL(None, use_errno=True)
            if library.setns(descriptor, _CLONE_NEWNET) != 0:
                why = os.strerror(ctypes.get_errno()).lower()
                raise Blind(f"the network of process {self.pid} cannot be entered: {why}", hint="Ask from the host.")
        finally:
            os.close(descriptor)

    def resolve(self, host: str, port: int) -> t.Sequence[tuple[t.Any, ...]]:
        """The addresses of a name as the container finds them; in the thread that has gone there.

        Raises:
            OSError: there are none.
        """
        try:
            return _literal(host, port)
        except OSError:
            pass
        found = names.in_hosts(self._file("hosts"), host)
        if not found:
            servers, search = names.servers_and_search(self._file("resolv.conf"))
            absolute = [f"{host}.{one}" for one in search] if "." not in host else []
            for name in (host, *absolute):
                found = [one for kind in names.TYPES for one in _ask(servers, name, kind)]
                if found:
                    break
        if not found:
            raise OSError(0, "its own name servers know no address of it")
        return [one for address in found for one in _literal(address, port)]

    def _file(self, name: str) -> str:
        """A small file of its /etc."""
        try:
            descriptor = os.open(f"/proc/{self.pid}/root/etc/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ""
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST_READ).decode("utf-8", "replace")


def inside_container(name: str, *, run: Run, command: t.Sequence[str] = ("docker",)) -> Inside:
    """The network of a container of this host.

    Args:
        command: of the container engine.

    Raises:
        Blind: there is none of this name that runs, or it cannot be looked at.
    """
    if not NAME.match(name):
        raise Blind(f"{name!r} is not a container's name", hint="Correct scope.")
    ran = run([*command, "inspect", "--type", "container", "--format", "{{.State.Pid}}", name])
    if ran.problem:
        raise Blind(f"container {name} cannot be looked at: {ran.problem}", hint="Correct scope, or become root on the host.")
    pid = ran.out.strip()
    if not pid.isdigit() or pid == "0":
        raise Blind(f"container {name} does not run", hint="Start it.")
    return Inside.of(int(pid))


def _literal(host: str, port: int) -> t.Sequence[tuple[t.Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)


def _ask(servers: t.Sequence[str], name: str, kind: int) -> list[str]:
    """Each name server in its order, until one can tell."""
    try:
        asked = names.question(name, kind, number=random.getrandbits(16))
    except (ValueError, UnicodeError):
        return []
    for server in servers:
        try:
            with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as way:
                way.settimeout(_DNS_SECONDS)
                way.connect((server, 53))
                way.send(asked)
                found = names.addresses(way.recv(4096), asked=asked)
        except OSError:
            continue
        if found is not None:
            return found
    return []


def _start_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        raise Blind(f"process {pid} does not run any more", hint="Look again.") from None
