# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: users are answered, nothing stays, and NGINX is the one that it was."""

from __future__ import annotations

from tests.support.drilled import Lab

LAB = Lab(__file__)


def test_users_are_answered() -> None:
    assert LAB.said("app1", "curl -s http://127.0.0.1:8088/") == "shop"
    assert LAB.said("app1", "ls -A /srv/shop/flags") == ""


def test_nginx_was_never_reloaded() -> None:
    LAB.check_never_restarted("app1", "nginx")
    assert "reload" not in LAB.said("app1", "journalctl --unit nginx --no-pager --output=cat").lower()


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
