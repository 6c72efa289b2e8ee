# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose Docker engine writes its own rules: a published port of a container beside a local service, by real connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.docker_engine import IMAGE, engine
from tests.support.fail2ban import fail2ban
from tests.support.two_hosts import CLIENT, TwoHosts

from .judged import CLOSED, OPEN, Judged, is_right

#: Published for port 80 of the container; a local service listens at the other one.
PUBLISHED, LOCAL = 8080, 22
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def docker(both: TwoHosts) -> Iterator[TwoHosts]:
    """A container that serves, its port published on all addresses of the host."""
    both.host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")  # as on a host that was just installed: the engine's policy depends on it
    with engine(both.host) as running:
        running.docker("run", "--detach", "--publish", f"{PUBLISHED}:80", IMAGE, "/bin/busybox", "httpd", "-f", "-p", "80")
        yield both


def answers(docker: TwoHosts, published: str, local: str) -> tuple[Judged, Judged]:
    """What is said of both is right."""
    return is_right(docker, PUBLISHED, published), is_right(docker, LOCAL, local)


def test_as_it_comes(docker: TwoHosts) -> None:
    assert "DROP" in docker.host.run("iptables", "-S", "FORWARD").splitlines()[0], "the engine wrote its rules"
    answers(docker, OPEN, OPEN)
    # Nothing is published there: the engine's proxy listens over IPv6, and it is a local service.
    is_right(docker, PUBLISHED, OPEN, version=6)


@pytest.mark.parametrize(("rule", "published", "local"), [
    (f"DOCKER-USER -s {CLIENT} -j DROP", CLOSED, OPEN),
    (f"FORWARD -s {CLIENT} -j DROP", CLOSED, OPEN),
    (f"INPUT -s {CLIENT} -j DROP", OPEN, CLOSED),
    ("DOCKER-USER -i srv0 -j REJECT", CLOSED, OPEN),
    # The port is the container's when the packet comes there.
    (f"DOCKER-USER -s {CLIENT} -p tcp --dport {PUBLISHED} -j DROP", OPEN, OPEN),
    (f"DOCKER-USER -s {CLIENT} -p tcp --dport 80 -j DROP", CLOSED, OPEN),
    (f"DOCKER-USER -p tcp -m conntrack --ctorigdstport {PUBLISHED} --ctdir ORIGINAL -j DROP", CLOSED, OPEN),
    ("DOCKER-USER -o docker0 -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP", CLOSED, OPEN),
    (f"DOCKER-USER ! -s {CLIENT} -i srv0 -j DROP", OPEN, OPEN),
    ("PREROUTING -t mangle -p tcp --dport 8080 -j DROP", CLOSED, OPEN),
    (f"PREROUTING -t raw -s {CLIENT} -j DROP", CLOSED, CLOSED),
])
def test_a_rule_in_front(rule: str, published: str, local: str, docker: TwoHosts) -> None:
    docker.host.run("iptables", "-I", *rule.split())
    try:
        answers(docker, published, local)
    finally:
        docker.host.run("iptables", "-D", *rule.split())


def test_default_deny_for_the_host_says_nothing_of_containers(docker: TwoHosts) -> None:
    docker.host.run("iptables", "-P", "INPUT", "DROP")
    try:
        answers(docker, OPEN, CLOSED)
    finally:
        docker.host.run("iptables", "-P", "INPUT", "ACCEPT")


def test_a_ban_counts_where_the_jail_hooks_it_in(docker: TwoHosts) -> None:
    jails = {
        "in": {"banaction": "iptables-allports"}, "user": {"banaction": "iptables-allports", "chain": "DOCKER-USER"},
        "port": {"banaction": "iptables-multiport", "chain": "DOCKER-USER", "port": str(PUBLISHED)},
    }
    with fail2ban(jails, net=docker.host) as server:
        for jail, published, local in (("in", OPEN, CLOSED), ("user", CLOSED, OPEN), ("port", OPEN, OPEN)):
            server.ban(jail, CLIENT)
            answers(docker, published, local)
            server.client("unban", CLIENT)
        answers(docker, OPEN, OPEN)
