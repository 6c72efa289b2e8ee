# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal where nobody could tell the server to load what is renewed. The NGINX is real, without systemd."""

from __future__ import annotations

from .conftest import WWW, Web, contents


def test_nothing_is_renewed_that_no_server_could_be_told_to_load(expired: Web) -> None:
    before, files = expired.serial(), contents(expired)
    (expired.nginx.place / "unit").write_text('{"LoadState": "not-found"}')
    for arguments in (["--check"], ["--tags", "mitigate"]):
        done = expired.play(*arguments)
        said = " ".join(done.output.split())
        assert done.status == 2 and set(done.outcomes()) <= {"planned"}, done.output
        assert "Nothing is renewed, since what serves it could not be reloaded. nginx: " in said
        assert "set certificate_service_name to an empty text" in said
    (expired.nginx.place / "unit").unlink()
    assert (expired.serial(), contents(expired), expired.nginx.calls("reload")) == (before, files, 0)


def test_the_operator_reloads_it(expired: Web) -> None:
    """With an empty name of the service the renewal is done, nothing is reloaded, and verify says what is still served."""
    before = expired.serial()
    done = expired.play("--tags", "mitigate", service_name="")
    assert done.status == 0, done.output
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [("renew_certificate", "done")]
    assert expired.nginx.calls("reload") == 0 and expired.serial() == before != expired.on_disk(WWW)
