# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with rules, and a client that connects, one pair per file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.need import need
from tests.support.two_hosts import TwoHosts, two_hosts


@pytest.fixture(scope="module")
def both() -> Iterator[TwoHosts]:
    """The two, without any rule at first."""
    for program in ("nft", "iptables", "iptables-legacy", "ipset", "ip"):
        need(shutil.which(program), program)
    with two_hosts() as made:
        yield made


@pytest.fixture
def hosts(both: TwoHosts) -> TwoHosts:
    """The same, without what an earlier test loaded."""
    both.clear()
    return both
