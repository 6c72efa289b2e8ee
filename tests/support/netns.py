# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private network namespace: rules, addresses and routes in it are nobody else's."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .need import need
from .run_module import Running, start_module


@dataclass(frozen=True)
class Namespace:
    """One that exists.

    Attributes:
        name: as `ip netns exec` takes it.
        more: the argv of a program that runs each program inside, such as one that sets its environment.
    """

    name: str
    more: tuple[str, ...] = ()

    @property
    def prefix(self) -> list[str]:
        """What to put before a program's argv to run it inside."""
        return ["ip", "netns", "exec", self.name, *self.more]

    def run(self, *argv: str, check: bool = True, timeout: float = 60, input: str | None = None) -> str:
        """Run a program inside and give what it printed."""
        done = subprocess.run([*self.prefix, *argv], capture_output=True, text=True, timeout=timeout, check=False, input=input)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *argv: str, **kwargs: Any) -> subprocess.Popen[bytes]:
        """Start a program inside. `ip netns exec` becomes it, so the process id is the program's."""
        return subprocess.Popen([*self.prefix, *argv], stdin=subprocess.DEVNULL, preexec_fn=end_with_us, **kwargs)

    def start_module(self, module: str, *, check: bool = False, env: Mapping[str, str] | None = None, **args: Any) -> Running:
        """Start one of our modules inside."""
        return start_module(module, check=check, prefix=self.prefix, env=env, **args)

    def module(
        self, module: str, *, check: bool = False, env: Mapping[str, str] | None = None, wait: float = 120, **args: Any,
    ) -> dict[str, Any]:
        """Run one of our modules inside and give its result; `wait` is in seconds."""
        return self.start_module(module, check=check, env=env, **args).result(timeout=wait)

    def playbook(self, argv: Sequence[str], *, timeout: float = 300, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run ansible-playbook inside, with connection local the host that it acts on is inside as well."""
        program = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
        return subprocess.run(
            [*self.prefix, program, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
            **kwargs,
        )


def end_with_us() -> None:
    """In a child before it becomes the program: a killed test leaves no server (PR_SET_PDEATHSIG, prctl(2))."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextmanager
def namespace(*, peer: bool = False) -> Iterator[Namespace]:
    """Make a namespace with its loopback up, and remove it at the end.

    Args:
        peer: with a second one inside reach: a veth pair, `inside` with 198.18.0.1/24 (RFC 2544) here and a namespace named
            like this one with -peer that has 198.18.0.2, 198.18.0.3 and 2001:db8:f2b::2, so that a client's connection can be tried.
    """
    need(os.geteuid() == 0 and shutil.which("ip"), "root and iproute2")
    name = f"incident-{uuid.uuid4().hex[:8]}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    need(made.returncode == 0, f"the right to make a network namespace ({made.stderr.strip()})")
    here = Namespace(name)
    other = Namespace(f"{name}-peer")
    try:
        here.run("ip", "link", "set", "lo", "up")
        # The rest of the world: an address that nothing leads to is kept out by that alone.
        here.run("ip", "link", "add", "world", "type", "veth", "peer", "name", "beyond")
        for address in ("198.18.255.1/24", "2001:db8:ffff::1/64"):
            here.run("ip", "address", "add", address, "dev", "world", *(["nodad"] if ":" in address else []))
        for device in ("world", "beyond"):
            here.run("ip", "link", "set", device, "addrgenmode", "none", "up")  # an address that comes by itself comes late
        for version in ("-4", "-6"):
            here.run("ip", version, "route", "add", "default", "dev", "world")
        if peer:
            subprocess.run(["ip", "netns", "add", other.name], check=True, capture_output=True)
            other.run("ip", "link", "set", "lo", "up")
            here.run("ip", "link", "add", "inside", "type", "veth", "peer", "name", "outside", "netns", other.name)
            for where, device, addresses in (
                (here, "inside", ["198.18.0.1/24", "2001:db8:f2b::1/64"]),
                (other, "outside", ["198.18.0.2/24", "198.18.0.3/24", "2001:db8:f2b::2/64"]),
            ):
                for address in addresses:
                    where.run("ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
                where.run("ip", "link", "set", device, "up")
        yield here
    finally:
        for one in (name, other.name):
            subprocess.run(["ip", "netns", "del", one], capture_output=True, check=False)


def peer_of(here: Namespace) -> Namespace:
    """The namespace at the other end of the veth pair."""
    return Namespace(f"{here.name}-peer")
