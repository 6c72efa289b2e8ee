# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal against a real ACME server, certbot and NGINX."""

from __future__ import annotations

from .conftest import ADDRESSES, Web


def test_expired_renewed_and_served_on_every_address(expired: Web) -> None:
    before, pid, orders = expired.serial(), expired.nginx.pid, expired.base.acme.orders
    untouched = expired.tree()
    checked = expired.play("--check")
    assert checked.status == 0, checked.output
    assert [action["verb"] for action in checked.plan()["actions"]["web1"]] == ["renew_certificate", "reload_service"]
    assert expired.tree() == untouched
    assert (expired.serial(), expired.base.acme.orders) == (before, orders)

    done = expired.play()
    assert done.status == 0, done.output
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [("renew_certificate", "done"), ("reload_service", "done")]
    served = {expired.serial(address=address) for address in ADDRESSES}
    assert served == {expired.on_disk()}
    assert served != {before}
    assert expired.nginx.pid == pid, "reloaded, not restarted"
    assert expired.base.acme.orders == orders + 1
    done.assert_record_verifies()

    again = expired.play()
    assert again.status == 0, again.output
    assert again.actions() == []
    assert expired.base.acme.orders == orders + 1
