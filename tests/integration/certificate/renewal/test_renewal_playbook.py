# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal against a real ACME server, certbot and NGINX: what it puts right.

Three runs with several hosts, that the tests read: a check, `incident --yes`, and a check afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.until import until

from .conftest import LONG, Fleet, Played

RENEWED = [("renew_certificate", "done"), ("reload_service", "done")]
#: What is served in the end must also be trusted.
STRICT = ["expired", "expiring", "name_mismatch", "stale_in_memory", "unreachable", "incomplete_chain", "untrusted", "self_signed"]
#: Several runs, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2 * LONG)


@dataclass(frozen=True)
class Runs:
    """The runs."""

    checked: Played
    acted: Played
    again: Played

    def actions(self, host: str) -> list[tuple[str, str]]:
        """What `incident` says that it did on a host."""
        return [(one["verb"], one["outcome"]) for one in self.acted.ended.data["actions"] if one["host"] == host]

    def planned(self, host: str) -> list[dict[str, Any]]:
        """The actions of the check."""
        return list(self.checked.ended.plan()["actions"].get(host, []))


@pytest.fixture(scope="module")
def runs(fleet: Fleet) -> Runs:
    """Each server with something that can be put right, and one that nobody could tell to load what is renewed."""
    webs = {
        "expired": fleet.add("expired", expired=True), "stale": fleet.add("stale"), "compose": fleet.add("compose", expired=True),
        "lapsed": fleet.add("lapsed"), "unloadable": fleet.add("unloadable", expired=True),
    }
    webs["stale"].renewed_by_others()
    issued = webs["lapsed"].base.authority.issue(webs["lapsed"].names[0], starts=timedelta(0), ends=timedelta(seconds=1))
    webs["lapsed"].put(issued)
    (webs["unloadable"].nginx.place / "unit").write_text('{"LoadState": "not-found"}')
    until(lambda: issued.cert.not_valid_after_utc < datetime.now(tz=UTC), what="its end")

    trusted = {"ca_path": fleet.base.trusted}
    own: Mapping[str, Mapping[str, Any]] = {"expired": {"verify_checks": STRICT, **trusted}, "compose": webs["compose"].compose}
    hosts = {name: web.variables(**own.get(name, {})) for name, web in webs.items()}
    checked = fleet.play(hosts, "--check")
    del hosts["unloadable"]
    hosts["expired"]["evidence_snapshot"] = True
    acted = fleet.play(hosts, "--yes", command=True)
    again = fleet.play({name: webs[name].variables(**{**own.get(name, {}), **trusted}) for name in hosts}, "--check", command=True)
    return Runs(checked, acted, again)


def test_a_check_plans_and_touches_nothing(runs: Runs) -> None:
    assert runs.checked.ended.failed == {"unloadable"}, runs.checked.ended.output
    assert runs.checked.after == runs.checked.before
    assert runs.checked.orders == 0


def test_the_command_incident_recovers_and_then_finds_nothing_to_do(runs: Runs) -> None:
    assert (runs.acted.ended.status, runs.acted.ended.data["outcome"]) == (0, "recovered"), runs.acted.ended.output
    runs.acted.ended.assert_record_verifies()
    data = runs.again.ended.data
    assert (runs.again.ended.status, data["outcome"], data["actions"]) == (5, "nothing_to_do", []), runs.again.ended.output
    assert runs.again.after == runs.again.before


def test_an_order_for_each_that_is_renewed(runs: Runs) -> None:
    assert (runs.acted.orders, runs.again.orders) == (3, 0)


def test_expired_renewed_and_served_on_every_address(runs: Runs) -> None:
    assert [action["verb"] for action in runs.planned("expired")] == ["renew_certificate", "reload_service"]
    assert runs.actions("expired") == RENEWED
    before, after = runs.acted.before["expired"], runs.acted.after["expired"]
    assert after.serials() == set(after.on_disk.values())
    assert after.serials() != before.serials()
    assert after.pid == before.pid, "reloaded, not restarted"


def test_renewed_on_disk_and_not_loaded_is_only_reloaded(runs: Runs) -> None:
    (planned,) = runs.planned("stale")
    assert planned["verb"] == "reload_service"
    assert "older certificate than the one on the disk" in planned["reason"]
    assert runs.actions("stale") == [("reload_service", "done")]
    before, after = runs.acted.before["stale"], runs.acted.after["stale"]
    assert after.contents == before.contents
    assert after.serials() == set(after.on_disk.values()) != before.serials()
    assert after.pid == before.pid


def test_an_expired_file_that_is_newer_is_renewed_and_loaded(runs: Runs) -> None:
    """What the renewal replaces says nothing about what it put there."""
    assert runs.actions("lapsed") == RENEWED
    before, after = runs.acted.before["lapsed"], runs.acted.after["lapsed"]
    assert after.serials() == set(after.on_disk.values()) != before.serials()


def test_in_docker_compose(runs: Runs, fleet: Fleet) -> None:
    """NGINX in a container, certbot beside it: validated and reloaded inside."""
    assert [action["verb"] for action in runs.planned("compose")] == ["renew_certificate", "reload_service"]
    assert runs.actions("compose") == RENEWED
    before, after = runs.acted.before["compose"], runs.acted.after["compose"]
    assert after.serials() == set(after.on_disk.values()) != before.serials()
    assert after.pid == before.pid
    calls = (fleet.webs["compose"].nginx.place / "calls").read_text()
    assert "docker compose --project-directory /opt/compose --file=/opt/compose/compose.yml exec -T nginx nginx -t\n" in calls


def test_nothing_is_planned_that_no_server_could_be_told_to_load(runs: Runs) -> None:
    assert set(runs.checked.ended.outcomes("unloadable")) <= {"planned"}
    said = runs.checked.ended.said_of("unloadable")
    assert "Nothing is renewed, since what serves it could not be reloaded. nginx-unloadable: " in said
    assert "set certificate_service_name to an empty text" in said
