# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to reach the server: the same incident, the same end.

`host` is what all other tests use. SSH is a real sshd on loopback, run without privileges; docker and kubectl are stand-ins
(tests/support/doubles), since a test has neither a Docker daemon nor a cluster.
"""

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

import pytest

from demo.ports import free_port
from demo.postgres import Server
from tests.support.need import need
from tests.support.site import DOUBLES, Ended, Site

from .conftest import Sick

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


@pytest.fixture
def sshd() -> Iterator[Sshd]:
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


@pytest.fixture(params=["controller", "container", "ssh_tunnel", "kubernetes"])
def via(request: pytest.FixtureRequest, site: Site, server18: Server) -> Site:
    """The site, its database reached in this way."""
    address: dict[str, Any] = {"postgres_via": request.param, "postgres_login_host": "127.0.0.1", "postgres_login_port": server18.port}
    if request.param == "container":
        address.update(postgres_container_name="shop-postgres", postgres_login_host="", postgres_container_network="shop_default")
    elif request.param == "ssh_tunnel":
        sshd: Sshd = request.getfixturevalue("sshd")
        address.update(FAR, postgres_ssh_destination=f"{sshd.user}@127.0.0.1", postgres_ssh_args=sshd.args)
    elif request.param == "kubernetes":
        address.update(FAR, postgres_kubernetes_target="service/postgres", postgres_kubernetes_namespace="shop")
    else:
        address.update(FAR)
    site.group("db", db1=address)
    return site


def play(site: Site, *arguments: str) -> Ended:
    """Run the scenario with the stand-ins on PATH."""
    return site.play(*arguments, PATH=f"{DOUBLES}:{site.bin}:/usr/bin:/bin", DOCKER_DOUBLE_ADDRESS="127.0.0.1")


def test_the_incident_is_ended(via: Site, sick: Sick) -> None:
    checked = play(via, "--check")
    assert checked.status == 0, checked.output
    assert sick.untouched
    assert len(checked.plan()["actions"]["db1"]) == 1
    done = play(via)
    assert done.status == 0, done.output
    assert not sick.root.alive()
    assert done.outcomes() == ["gone"]
    assert list(via.temporary.iterdir()) == [], "tunnels are closed"
    done.assert_record_verifies()


def test_a_container_that_is_not_there(site: Site) -> None:
    site.group("db", db1={"postgres_via": "container", "postgres_container_name": "other"})
    done = play(site, "--tags", "investigate")
    assert done.status == 2
    assert "No such container: other" in done.output


def test_nothing_but_the_address_is_asked_of_docker(site: Site, server18: Server) -> None:
    site.group("db", db1={
        "postgres_via": "container", "postgres_container_name": "shop-postgres", "postgres_login_port": server18.port,
    })
    done = play(site, "--tags", "investigate")
    assert done.status == 0, done.output
    record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
    assert "shop_default" in record
    assert "canary-of-docker-inspect" not in record + done.output


def test_a_tunnel_that_cannot_be_opened_says_why(site: Site) -> None:
    site.group("db", db1={**FAR, "postgres_via": "kubernetes", "postgres_kubernetes_target": "service/other"})
    done = play(site)
    assert done.status == 2
    assert "not found" in done.output
    assert list(site.temporary.iterdir()) == []
