# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What access_health says of a client, beside what the client's connection really does."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding

from tests.support.two_hosts import CLIENT, CLIENT6, HOST, HOST6, TwoHosts

OPEN, CLOSED = "open", "closed"
RIGHT = {OPEN: ("ok", "critical"), CLOSED: ("critical", "ok")}


@dataclass(frozen=True)
class Judged:
    """Both.

    Attributes:
        real: whether the connection was made.
        let_in, kept_out: the findings about the client as one that should be let in, and as one that should be kept out.
    """

    real: str
    let_in: Finding
    kept_out: Finding

    @property
    def said(self) -> tuple[str, str]:
        """The two statuses."""
        return self.let_in.status, self.kept_out.status

    def check(self, real: str) -> Judged:
        """The connection does this, and both findings say so."""
        assert (self.real, self.said) == (real, RIGHT[real]), self
        return self


def judged(hosts: TwoHosts, port: int, *, version: int = 4, expected: str = OPEN) -> Judged:
    """Look at the client as access_health does, and let the client try.

    Args:
        expected: where a connection should be made, it is tried with more patience.
    """
    client, host = (CLIENT, HOST) if version == 4 else (CLIENT6, HOST6)
    # What an earlier test kept from finding the client.
    hosts.host.run("ip", "neigh", "flush", "nud", "failed")
    found = hosts.access(client, port)
    real = OPEN if hosts.connects(port, to=host, expected=expected == OPEN) else CLOSED
    return Judged(real, found["let_in"], found["kept_out"])


def is_right(hosts: TwoHosts, port: int, real: str, *, version: int = 4) -> Judged:
    """The same, where the connection is known to be made or not."""
    return judged(hosts, port, version=version, expected=real).check(real)
