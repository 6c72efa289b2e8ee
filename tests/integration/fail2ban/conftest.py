# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real fail2ban in a network namespace of its own, one per file; each test uses addresses of its own."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fail2ban import Fail2ban, fail2ban

JAILS = {
    "sshd": {}, "ipt": {"banaction": "iptables-multiport"}, "recidive": {"banaction": "nftables-allports", "bantime": "-1"},
    "bad": {"banaction": "oncall-broken"}, "set": {"banaction": "iptables-ipset-proto6"},
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Fail2ban]:
    """Jails with nftables, iptables, ipset; a permanent one; one whose unban fails while `broken` is there."""
    with fail2ban(JAILS, peer=True) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_broken(request: pytest.FixtureRequest) -> Iterator[None]:
    """The unban action works again after a test that broke it."""
    yield
    if "daemon" in request.fixturenames:
        request.getfixturevalue("daemon").broken.unlink(missing_ok=True)


@contextmanager
def alone() -> Iterator[None]:
    """Sessions of sshd are seen machine-wide, whatever their network namespace, and protect their peers: one at a time of those that
    log in or ban, whichever process of pytest they are in."""
    with (Path(tempfile.gettempdir()) / "oncall-test-sessions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def nobody_elses_sessions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Around each test that bans. Fixtures of a module come before this one, and are alone by themselves."""
    if request.path.name not in ("test_ban.py", "test_playbook_attack.py"):
        yield
        return
    with alone():
        yield
