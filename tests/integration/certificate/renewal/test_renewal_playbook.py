# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal against a real ACME server, certbot and NGINX."""

from __future__ import annotations

import json

from tests.support.nginx import Nginx

from .conftest import ADDRESSES, API, WWW, Web, tree


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


def test_the_command_incident_recovers_and_then_finds_nothing_to_do(expired: Web) -> None:
    status, data, shown = expired.incident("--yes")
    assert (status, data["outcome"]) == (0, "recovered"), shown
    done = [(action["verb"], action["outcome"]) for action in data["actions"]]
    assert done == [("renew_certificate", "done"), ("reload_service", "done")]
    assert {expired.serial(address=address) for address in ADDRESSES} == {expired.on_disk()}
    status, data, shown = expired.incident("--yes", **trusted(expired))
    assert (status, data["outcome"], data["actions"]) == (5, "nothing_to_do", []), shown


def test_the_chain_that_is_served_verifies(expired: Web) -> None:
    checks = ["expired", "expiring", "name_mismatch", "stale_in_memory", "unreachable", "incomplete_chain", "untrusted", "self_signed"]
    done = expired.play(verify_checks=checks, **trusted(expired))
    assert done.status == 0, done.output


def test_renewed_on_disk_and_not_loaded_is_only_reloaded(web: Web) -> None:
    old, orders, pid = web.serial(), web.base.acme.orders, web.nginx.pid
    web.put(web.base.authority.issue([WWW]))
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


def test_a_configuration_that_breaks_meanwhile_the_old_one_is_served(expired: Web) -> None:
    conf = expired.base.certbot.config / "renewal" / f"{WWW}.conf"
    conf.write_text(conf.read_text().replace(
        "[renewalparams]", f"[renewalparams]\npre_hook = echo 'rubbish;' >> {expired.nginx.configuration}",
    ))
    before, files = expired.serial(), files_of(expired)
    done = expired.play()
    assert done.status == 2
    assert [(action["verb"], action["outcome"], action["detail"]["files"]) for action in done.actions()] == [
        ("renew_certificate", "failed", "restored"),
    ]
    said = " ".join(done.output.split())
    assert "mitigate: 1 of 1 failed." in said and "configuration is not valid" in said
    assert "verify: Not recovered" in said, "and it is measured that it is not"
    assert {expired.serial(address=address) for address in ADDRESSES} == {before}
    assert files_of(expired) == files
    assert expired.nginx.calls("reload") == 0


def test_stale_and_a_broken_configuration_nothing_is_reloaded(web: Web) -> None:
    """NGINX would say nothing and go on with the old certificate."""
    old = web.serial()
    web.put(web.base.authority.issue([WWW]))
    web.nginx.configuration.write_text(web.nginx.configuration.read_text() + "rubbish;")
    done = web.play()
    assert done.status == 2
    assert "is not valid" in done.output and "so it is not reloaded" in " ".join(done.output.split())
    assert web.nginx.calls("reload") == 0
    assert web.serial() == old


def test_a_new_one_for_other_names_is_put_back(expired: Web) -> None:
    before, files = expired.serial(), files_of(expired)
    done = expired.play(lineages=[expired.lineage(names=[WWW, "shop.example.org"])])
    assert done.status == 2
    assert "it is not for shop.example.org" in " ".join(done.output.split())
    assert done.outcomes() == ["failed"]
    assert (expired.serial(), files_of(expired)) == (before, files)


def test_one_of_two_fails_and_the_other_is_served(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    two.nginx.reload()
    conf = two.base.certbot.config / "renewal" / f"{WWW}.conf"
    conf.write_text(conf.read_text().replace(str(two.base.certbot.webroot), "/nowhere"))
    done = two.play()
    assert done.status == 2
    assert {(action["verb"], action["target"].get("name"), action["outcome"]) for action in done.actions()} == {
        ("renew_certificate", WWW, "failed"), ("renew_certificate", API, "done"), ("reload_service", None, "done"),
    }
    assert two.serial(API) == two.on_disk(API)
    assert f"expired {WWW}@127.0.0.1" in " ".join(done.output.split()), "verify says which"


def test_only_what_was_approved(expired: Web) -> None:
    served, files = expired.serial(), files_of(expired)
    plan = expired.play("--check", "--tags", "mitigate").plan()
    empty = expired.play("--check", "--tags", "mitigate", due_days=0, due_percent=0, endpoints=[]).plan()
    assert [action["verb"] for action in plan["actions"]["web1"]] == ["renew_certificate", "reload_service"]
    done = expired.play("--tags", "mitigate", "-e", json.dumps({"incident_approved_plan": {**plan, "hash": "0" * 64}}))
    assert done.status == 2
    assert done.outcomes() == []
    assert (expired.serial(), files_of(expired)) == (served, files)
    if empty["actions"]:
        return
    done = expired.play("--tags", "mitigate", "-e", json.dumps({"incident_approved_plan": empty}))
    assert set(done.outcomes()) == {"refused"}
    assert (expired.serial(), files_of(expired)) == (served, files)
    done = expired.play("--tags", "mitigate", "-e", json.dumps({"incident_approved_plan": plan}))
    assert done.status == 0, done.output
    assert done.outcomes() == ["done", "done"]


def test_an_address_that_goes_on_with_the_old_one_fails(expired: Web) -> None:
    """Half of a pool is not reloaded: another NGINX with the same files, which nobody told."""
    other = Nginx(
        place=expired.site.place / "other", hosts=expired.nginx.hosts, tls_port=expired.nginx.tls_port, http_port=expired.nginx.http_port,
        addresses=["127.0.0.3"],
    )
    other.start()
    try:
        lineage = expired.lineage()
        lineage["endpoints"].append({"host": WWW, "address": "127.0.0.3", "port": other.tls_port, "label": "the third"})
        done = expired.play(lineages=[lineage], verify_timeout="3s")
        assert done.status == 2
        assert done.outcomes() == ["done", "done"]
        said = " ".join(done.output.split())
        assert "stale_in_memory the third" in said and "@127.0.0.1" not in said.rpartition("verify: ")[2]
        assert expired.serial() == expired.on_disk() != other.serial(WWW)
    finally:
        other.stop()


def test_a_reload_that_does_not_happen_is_a_failure(expired: Web) -> None:
    (expired.nginx.place / "broken").touch()
    done = expired.play(service_timeout="4s", verify_timeout="3s")
    assert done.status == 2
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [
        ("renew_certificate", "done"), ("reload_service", "failed"),
    ]
    (expired.nginx.place / "broken").unlink()
    again = expired.play()
    assert again.status == 0, again.output
    assert [(action["verb"], action["outcome"]) for action in again.actions()] == [("reload_service", "done")], "not renewed again"


def test_a_server_that_does_not_run_is_not_started(web: Web) -> None:
    web.put(web.expired())
    web.nginx.stop()
    done = web.play(lineages=[web.lineage(command=["true"])], verify_timeout="2s", force=[WWW])
    assert done.status == 2
    assert web.nginx.calls("start") == 1, "the test's own"


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
    expired.put(expired.base.authority.issue([WWW]))
    done = expired.play(**compose, service_timeout="4s", verify_timeout="3s")
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [("reload_service", "failed")]
    assert done.status == 2


def test_an_extra_variable_that_is_misspelt_or_wrong(expired: Web) -> None:
    files = files_of(expired)
    for given, said in (
        ("certificate_max_renewal=1", "did you mean certificate_max_renewals"),
        ("certificate_service_runtime=swarm", "certificate_service_runtime"), ("incident_web=nobody", "No host matches"),
    ):
        done = expired.play("-e", given)
        assert done.status == 2
        assert said in " ".join(done.output.split())
    assert files_of(expired) == files


def trusted(web: Web) -> dict[str, str]:
    """The ACME server's root, as a private CA would be stated."""
    path = web.site.place / "root.pem"
    path.write_text(web.base.acme.issuer())
    return {"ca_path": str(path)}


def files_of(web: Web) -> dict[str, str]:
    """What is in certbot's files of all lineages, with modes and owners, and where its links lead."""
    found = {}
    for place in ("live", "archive", "renewal"):
        for path, what in tree(web.base.certbot.config / place).items():
            if not what.startswith("d"):
                found[path] = " ".join(part for number, part in enumerate(what.split(" ")) if number != 2)
    return found
