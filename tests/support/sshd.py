# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real sshd on the loopback, run without privileges."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.ports import free_port
from tests.support.need import need

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
#: A host that cannot be reached itself: what does not go through the tunnel fails.
FAR: dict[str, Any] = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}


@dataclass
class Sshd:
    """A running sshd and what it takes to get in."""

    port: int
    user: str
    place: Path

    @property
    def args(self) -> list[str]:
        """Arguments of the client."""
        return [
            "-p", str(self.port), "-i", str(self.place / "client"), "-F", "none", "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={self.place / 'known'}", "-o", "StrictHostKeyChecking=accept-new",
        ]


@contextlib.contextmanager
def running() -> Iterator[Sshd]:
    """A real sshd of an unprivileged user."""
    need(SSHD and shutil.which("ssh") and shutil.which("ssh-keygen"), "OpenSSH's sshd, ssh and ssh-keygen (Debian: openssh-server)")
    assert SSHD is not None
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    place = Path(tempfile.mkdtemp(prefix="oncall-sshd-"))
    port = free_port()
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True, timeout=30)
    # UsePAM, since accounts without a password count as locked without it.
    (place / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {place / 'host'}\nAuthorizedKeysFile {place / 'client.pub'}\nPidFile none\n"
        "StrictModes no\nUsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAllowTcpForwarding yes\n"
    )
    more: dict[str, Any] = {}
    if os.geteuid() == 0:
        found = pwd.getpwnam(user)
        for path in (place, place / "host", place / "client.pub", place / "config"):
            os.chown(path, found.pw_uid, found.pw_gid)
        more = {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    with (place / "log").open("wb") as log:
        argv = [SSHD, "-D", "-e", "-f", str(place / "config")]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
    try:
        until = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        assert process.poll() is None, (place / "log").read_text()
        yield Sshd(port=port, user=user, place=place)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(place)
