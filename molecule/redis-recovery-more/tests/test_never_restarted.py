# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: nobody started the server anew, since no round asked for it."""

from __future__ import annotations

from tests.support.drilled import Lab

LAB = Lab(__file__)


def test_the_server_is_the_one_of_before() -> None:
    LAB.check_never_restarted("redis1", "redis-server")
