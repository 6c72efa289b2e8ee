# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal against a real ACME server, certbot and NGINX."""

from __future__ import annotations

import json
import time

from ansible_collections.oncall.incident.plugins.module_utils._core.plan import make_plan

from .conftest import ADDRESSES, NOT_DONE, Web, contents


def test_expired_approved_renewed_and_served_on_every_address(expired: Web) -> None:
    before, pid, orders = expired.serial(), expired.nginx.pid, expired.base.acme.orders
    untouched, files = expired.tree(), contents(expired)
    checked = expired.play("--check")
    assert checked.status == 0, checked.output
    plan = checked.plan()
    assert [action["verb"] for action in plan["actions"]["web1"]] == ["renew_certificate", "reload_service"]
    assert expired.tree() == untouched
    assert (expired.serial(), expired.base.acme.orders) == (before, orders)

    empty = make_plan(run=plan["run"], now=time.time(), actions={}).as_dict()
    refused = expired.play("--tags", "mitigate", "-e", json.dumps({"incident_approved_plan": empty}))
    assert set(refused.outcomes()) == {"refused"}, refused.output
    assert (expired.serial(), contents(expired), expired.base.acme.orders) == (before, files, orders)

    # What is served in the end must also be trusted, with the ACME server's root as a private CA would be stated.
    checks = ["expired", "expiring", "name_mismatch", "stale_in_memory", "unreachable", "incomplete_chain", "untrusted", "self_signed"]
    expired.snapshot = True
    approved = json.dumps({"incident_approved_plan": plan})
    done = expired.play("-e", approved, verify_checks=checks, **expired.trusted)
    assert done.status == 0, done.output
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [("renew_certificate", "done"), ("reload_service", "done")]
    served = {expired.serial(address=address) for address in ADDRESSES}
    assert served == {expired.on_disk()}
    assert served != {before}
    assert expired.nginx.pid == pid, "reloaded, not restarted"
    assert expired.base.acme.orders == orders + 1
    done.assert_record_verifies()

    expired.snapshot = False
    again = expired.play()
    assert again.status == 0, again.output
    assert again.actions() == []
    assert expired.base.acme.orders == orders + 1


def test_the_command_incident_recovers_and_then_finds_nothing_to_do(expired: Web) -> None:
    status, data, shown = expired.incident("--yes")
    assert (status, data["outcome"]) == (0, "recovered"), shown
    done = [(action["verb"], action["outcome"]) for action in data["actions"]]
    assert done == [("renew_certificate", "done"), ("reload_service", "done")]
    assert {expired.serial(address=address) for address in ADDRESSES} == {expired.on_disk()}
    status, data, shown = expired.incident("--yes", **expired.trusted)
    assert (status, data["outcome"], data["actions"]) == (5, "nothing_to_do", []), shown


def test_renewed_on_disk_and_not_loaded_is_only_reloaded(web: Web) -> None:
    old, orders, pid = web.serial(), web.base.acme.orders, web.nginx.pid
    web.renewed_by_others()
    untouched = web.tree()
    checked = web.play("--check")
    assert [action["verb"] for action in checked.plan()["actions"]["web1"]] == ["reload_service"], checked.output
    assert "older certificate than the one on the disk" in checked.plan()["actions"]["web1"][0]["reason"]
    assert web.tree() == untouched
    assert {web.serial(address=address) for address in ADDRESSES} == {old}
    done = web.play()
    assert done.status == 0, done.output
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [("reload_service", "done")]
    assert {web.serial(address=address) for address in ADDRESSES} == {web.on_disk()} != {old}
    assert (web.base.acme.orders, web.nginx.pid) == (orders, pid)


def test_in_docker_compose(expired: Web) -> None:
    """NGINX in a container, certbot beside it: validated and reloaded inside."""
    pid, orders = expired.nginx.pid, expired.base.acme.orders
    compose = {
        "service_runtime": "compose", "validate": ["nginx", "-t"], "reload_command": ["nginx", "-s", "reload"],
        "compose_directory": "/opt/example", "compose_files": ["/opt/example/compose.yml"],
    }
    untouched = expired.tree()
    checked = expired.play("--check", **compose)
    assert [action["verb"] for action in checked.plan()["actions"]["web1"]] == ["renew_certificate", "reload_service"], checked.output
    assert expired.tree() == untouched
    done = expired.play(**compose)
    assert done.status == 0, done.output
    assert done.outcomes() == ["done", "done"]
    assert {expired.serial(address=address) for address in ADDRESSES} == {expired.on_disk()}
    assert (expired.nginx.pid, expired.base.acme.orders) == (pid, orders + 1)
    calls = (expired.nginx.place / "calls").read_text()
    assert "docker compose --project-directory /opt/example --file=/opt/example/compose.yml exec -T nginx nginx -t\n" in calls

    (expired.nginx.place / "broken").touch()
    expired.renewed_by_others()
    done = expired.play("--tags", "mitigate", **compose, service_timeout="4s")
    assert [action["verb"] for action in done.actions()] == ["reload_service"]
    assert set(done.outcomes()) <= NOT_DONE
    assert done.status == 2


def test_a_variable_that_is_misspelt_or_wrong(expired: Web) -> None:
    files = contents(expired)
    done = expired.play("-e", "certificate_max_renewal=1", "-e", "certificate_service_runtime=swarm")
    assert done.status == 2
    said = " ".join(done.output.split())
    assert "did you mean certificate_max_renewals" in said and "certificate_service_runtime" in said
    assert contents(expired) == files
