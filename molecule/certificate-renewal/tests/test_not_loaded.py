# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: what its last round renewed and did not load is the last that the authority was asked for."""

from __future__ import annotations

from tests.support.drilled import Lab

LAB = Lab(__file__)


def test_what_was_renewed_and_not_loaded_was_not_ordered_again() -> None:
    """The last round of the drill: certbot's own log ends with what the fault had it do, and the authority's with that order."""
    last = LAB.host("web1").run("grep -h 'Arguments: ' /var/log/letsencrypt/letsencrypt.log").stdout
    assert "--force-renewal" in last
    lines = LAB.said("acme1", "journalctl --unit pebble --output cat --no-pager").splitlines()
    ordered = max(number for number, line in enumerate(lines) if "POST /order-plz" in line)
    assert any("Issued certificate" in line for line in lines[ordered:])
