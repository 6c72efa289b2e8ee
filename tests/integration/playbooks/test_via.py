# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to reach the server: the same incident, the same end.

`host` is what all other tests use. SSH is a real sshd on loopback, run without privileges; docker and kubectl are stand-ins
(tests/support/doubles), since a test has neither a Docker daemon nor a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.postgres import Server
from tests.support.site import DOUBLES, Ended, Site
from tests.support.sshd import FAR, Sshd, running

from .conftest import Sick


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    """A running sshd."""
    with running() as found:
        yield found


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
