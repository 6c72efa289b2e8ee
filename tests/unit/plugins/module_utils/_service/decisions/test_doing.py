# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to services, step by step, whom a step is about, and what shows that it worked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions import doing

SHORT: dict[str, Any] = {
    "name": "", "runtime": "systemd", "scope": "system", "directory": "", "files": [], "command": ["docker", "compose"],
    "container_command": ["docker"], "reload": [], "validate": [],
}
TOLD: dict[str, Any] = {
    "verb": "", "reason": "why", "forbidden": [], "start": False, "timeout": "9s", "hold": "3s", "evidence": "state",
}


def compose(name: str, **more: Any) -> dict[str, Any]:
    """An entry of the list."""
    return {"name": name, "runtime": "compose", "where": {"directory": "/opt/shop"}, **more}


def container(identity: str, **more: Any) -> dict[str, Any]:
    """One that runs, as service_instances describes it."""
    usual = {"id": identity, "name": f"shop-{identity}", "start": f"{identity} 1", "state": "running", "up": True, "main_pid": 7}
    return {**usual, "workers": ["8.1"], "changed": "", **more}


def look(*instances: dict[str, Any]) -> dict[str, Any]:
    """What service_instances returns."""
    return {
        "instances": list(instances), "up": bool(instances) and all(one["up"] for one in instances),
        "starts": [one["start"] for one in instances],
    }


def steps(services: list[dict[str, Any]], do: str, *looks: dict[str, Any], told: dict[str, Any] | None = None, **more: Any) -> list[Any]:
    """The steps of a list."""
    known = doing.entries(services, short=SHORT)
    return doing.steps(known, do=do, looks=looks, told={**TOLD, **(told or {})}, **more)


def test_the_short_form_is_a_list_of_one() -> None:
    (unit,) = doing.entries([], short={**SHORT, "name": "shop", "scope": "user", "reload": ["x"], "validate": ["nginx", "-t"]})
    assert unit == {
        "name": "shop", "identity": "shop", "where": {"scope": "user", "reload": ["x"]}, "validate": ["nginx", "-t"],
    }
    (service,) = doing.entries([], short={**SHORT, "name": "web", "runtime": "compose", "directory": "/opt", "files": ["a.yml"]})
    assert service["where"] == {"directory": "/opt", "files": ["a.yml"], "command": ["docker", "compose"], "container_command": ["docker"]}
    assert doing.entries([], short=SHORT) == []


def test_who_names_a_service_means_no_other() -> None:
    """Another role says so whom it means, whatever list the host has."""
    assert [one["name"] for one in doing.entries([compose("web")], short={**SHORT, "name": "redis"})] == ["redis"]


def test_the_list_is_in_its_order_and_checked() -> None:
    found = doing.entries([compose("web", order=2, pool=5), compose("db", order=1)], short=SHORT)
    assert [one["name"] for one in found] == ["db", "web"]
    assert found[1] == {**compose("web"), "identity": "web", "order": 2, "pool": 5}
    for proxies in (["nginx"], ["web"]):
        with pytest.raises(BadInput, match="service web: proxies: there is no service"):
            doing.entries([compose("web", proxies=proxies)], short=SHORT)


def test_containers_are_reloaded_only_in_a_way_that_is_known() -> None:
    """Before anything is done."""
    for services, do in (([compose("nginx")], "reload"), ([compose("web", proxies=["nginx"]), compose("nginx")], "restart")):
        with pytest.raises(BadInput, match="nginx runs in containers: set service_reload_command"):
            steps(services, do, *[look(container("a"))] * len(services))


def test_one_instance_is_one_step_where_the_runtime_can() -> None:
    found = steps([compose("web")], "restart", look(container("a"), container("b")))
    assert [one["args"]["argv"] for one in found] == [["docker", "restart", "a"], ["docker", "restart", "b"]]
    assert [one["target"] for one in found] == [
        {"runtime": "compose", "project": "/opt/shop", "service": "web", "instance": f"shop-{name}"} for name in ("a", "b")]
    assert [one["judged"] for one in found] == [{"a": "a 1"}, {"b": "b 1"}]
    (alone,) = steps([compose("web")], "restart", look(container("a")))
    assert alone["target"] == {"runtime": "compose", "project": "/opt/shop", "service": "web"}
    assert (alone["verb"], alone["reason"], alone["hold"], alone["interval"]) == ("restart_service", "why", "3s", "1s")


def test_what_is_meant_and_in_which_order() -> None:
    services, seen = [compose("web", order=2), compose("db", order=1)], look(container("a"))
    assert [one["name"] for one in steps(services, "restart", seen, seen)] == ["db", "web"]
    assert [one["name"] for one in steps(services, "stop", seen, seen)] == ["web", "db"]
    assert [one["name"] for one in steps(services, "restart", seen, seen, only=["web"])] == ["web"]
    with pytest.raises(BadInput, match="there is no service wbe in the list services"):
        steps(services, "restart", seen, seen, only=["wbe"])


def test_a_proxy_is_reloaded_after_what_it_leads_to() -> None:
    services = [
        compose("web", proxies=["nginx"]), compose("api", proxies=["nginx"]),
        compose("nginx", where={"directory": "/opt/shop", "reload": ["nginx", "-s", "reload"]}, validate=["nginx", "-t"]),
    ]
    looks = [look(container("a")), look(container("b")), look(container("c"))]
    found = steps(services, "restart", *looks, only=["web", "api"])
    assert [(one["name"], one["verb"]) for one in found] == [
        ("web", "restart_service"), ("api", "restart_service"), ("nginx", "reload_service")]
    assert found[2]["reason"] == "It may hold the address that web, api had before."
    assert found[2]["validating"] == {
        "name": "nginx", "said": "nginx -t",
        "argv": ["docker", "compose", "--project-directory", "/opt/shop", "exec", "-T", "nginx", "nginx", "-t"],
    }
    assert found[2]["args"]["timeout"] == "9s"
    assert [one["name"] for one in steps(services, "restart", *looks)] == ["web", "api", "nginx"], "it is restarted itself"
    against = {"web": ["no"], "api": ["no"]}
    assert [one["name"] for one in steps(services, "restart", *looks, only=["web", "api"], against=against)] == ["web", "api"]
    assert [one["name"] for one in steps(services, "stop", *looks, only=["web"])] == ["web"]


def test_a_proxy_that_does_not_run_holds_no_address_and_is_not_reloaded() -> None:
    """Its configuration could not be tested either, and its own start would be refused for that."""
    services = [compose("web", proxies=["nginx"]), compose("nginx", where={"directory": "/opt/shop", "reload": ["nginx", "-s", "reload"]})]
    for away in (look(), look(container("c", state="exited", up=False, running=False))):
        assert [one["name"] for one in steps(services, "start", look(container("a")), away, only=["web"])] == ["web"]
    unseen = {"failed": True, "msg": "no answer"}
    assert [one["name"] for one in steps(services, "start", look(container("a")), unseen, only=["web"])] == ["web", "nginx"]


def test_why_not_is_said_by_all_who_say_it() -> None:
    (one,) = steps([compose("web", one_shot=True)], "restart", look(container("a")), told={"forbidden": ["the caller"]},
                   against={"web": ["a guard"], "db": ["another"]})
    assert one["forbidden"] == ["the caller", "a guard", "web is a job with an end (one_shot), and would do its work again"]


def test_what_was_not_seen_is_not_called() -> None:
    (one,) = steps([compose("web")], "restart", {"failed": True, "msg": "no docker"})
    assert (one["seen"], one["judged"], one["args"]) == (False, {}, {})
    assert not doing.looked(look(container("a")), step=one)
    (seen,) = steps([compose("web")], "restart", look(container("a")))
    assert doing.looked(look(container("a")), step=seen)
    assert not doing.looked({"failed": True}, step=seen)


def test_a_start_that_was_approved_is_no_restart() -> None:
    (one,) = steps([{"name": "redis"}], "restart", look(container("redis", state="inactive", up=False)),
                   told={"start": True, "verb": "restart_cache"})
    assert (one["do"], one["verb"], one["args"]["state"]) == ("start", "restart_cache", "started")
    assert one["target"] == {"runtime": "systemd", "scope": "system", "service": "redis", "start": True}


@pytest.mark.parametrize(("do", "before", "needed"), [
    ("restart", look(container("a")), True), ("restart", look(), True), ("reload", look(container("a")), True),
    ("start", look(), True), ("start", look(container("a")), False), ("start", look(container("a", state="exited", up=False)), True),
    ("start", look(container("a", state="running", up=False, running=True)), False), ("stop", look(container("a")), True),
    ("stop", look(container("a", state="exited", up=False)), False), ("scale", look(container("a")), True),
    ("scale", look(container("a"), container("b")), False),
])
def test_whether_there_is_anything_to_do(do: str, before: dict[str, Any], needed: bool) -> None:
    (one,) = steps([compose("web", where={"reload": ["x"]})], do, look(container("a")), count=2)
    assert doing.needed(before, step=one) is needed


@pytest.mark.parametrize(("do", "before", "still"), [
    ("restart", look(container("a")), True), ("restart", look(container("a"), container("b")), True),
    ("restart", look(container("a", start="a 2")), False), ("restart", look(container("b")), False), ("restart", look(), False),
    ("reload", look(container("a", start="a 2")), False), ("start", look(container("a", start="a 2")), True), ("stop", look(), True),
])
def test_only_what_was_judged_is_acted_on(do: str, before: dict[str, Any], still: bool) -> None:
    (one,) = steps([compose("web", where={"reload": ["x"]})], do, look(container("a")), count=2)
    assert doing.still(before, step=one) is still


@pytest.mark.parametrize(("do", "after", "done"), [
    ("restart", look(container("a", start="a 2")), True), ("restart", look(container("a")), False),
    ("restart", look(container("a", start="a 2", up=False)), False), ("restart", look(), False),
    ("restart", look(container("a", start="a 2"), container("b", up=False)), False), ("stop", look(), True),
    ("stop", look(container("a", state="exited", up=False)), True), ("stop", look(container("a")), False),
    ("start", look(container("a")), True), ("start", look(), False), ("scale", look(container("a")), False),
    ("scale", look(container("a"), container("b")), True), ("scale", look(container("a"), container("b", up=False)), False),
    ("reload", look(container("a", workers=["9.2"])), True), ("reload", look(container("a")), False),
    ("reload", look(container("a", start="a 2", workers=["9.2"])), False),
])
def test_what_shows_that_it_worked(do: str, after: dict[str, Any], done: bool) -> None:
    before = look(container("a"))
    (one,) = steps([compose("web", where={"reload": ["x"]})], do, before, count=2)
    assert doing.done(after, before=before, step=one) is done


def test_an_instance_that_was_not_meant_may_stay_as_it_is() -> None:
    before = look(container("a"), container("b"))
    first, _second = steps([compose("web")], "restart", before)
    assert doing.done(look(container("a", start="a 2"), container("b")), before=before, step=first)


def test_a_command_runs_where_the_service_does() -> None:
    assert doing.inside([compose("web"), {"name": "nginx"}]) == [
        "docker", "compose", "--project-directory", "/opt/shop", "exec", "-T", "web"]
    assert doing.inside([{"name": "nginx"}, compose("web")]) == doing.inside([]) == []


def test_leases_are_on_what_the_runtime_knows() -> None:
    known = doing.entries([compose("web", identity="app"), {"name": "shop"}], short=SHORT)
    assert doing.subjects(known) == ["service compose /opt/shop app", "service systemd system shop"]
    more = doing.entries([compose("web"), compose("db"), {"name": "nginx"}], short=SHORT)
    assert doing.places(more) == ["compose /opt/shop: web, db", "systemd system: nginx"]
    assert doing.subjects([]) == ["the services of this host"]


def test_the_pools_of_a_host_once_a_service_is_scaled() -> None:
    known = doing.entries([compose("web", pool=10), compose("worker", pool=3), compose("nginx")], short=SHORT)
    looks = [look(container("a")), look(container("b"), container("c")), look(container("d"))]
    assert doing.pools(known, looks=looks, count=4, only=["web"]) == 4 * 10 + 2 * 3
    assert doing.pools(known, looks=looks, count=1) == 13
    found = doing.scale_against(known, looks=looks, count=4, total=46, capacities=[45], limit="")
    said = "all pools together would want 46 connections, the server gives 45"
    assert (found["web"], found["worker"]) == ([said], [said])
    assert found["nginx"] == ["how many connections each instance of nginx opens is not known: say it in its pool"]
    assert doing.scale_against(known, looks=looks, count=4, total=46, capacities=[], limit="50")["web"] == []


def test_several_results_are_one() -> None:
    one = {"contract": "c", "actions": [{"id": "1"}], "limits": {"a": 1}, "changed": True}
    two = {"contract": "c", "actions": [{"id": "2"}], "limits": {"b": 1}, "changed": False}
    both = doing.acted(doing.acted({}, result=one), result=two)
    assert both == {"contract": "c", "actions": [{"id": "1"}, {"id": "2"}], "limits": {"a": 1, "b": 1}, "changed": True}
    assert doing.acted(both, result={}) == both
    assert doing.acted({}, result={}) == {}


def shown(*instances: dict[str, Any]) -> dict[str, Any]:
    """What service_instances returns."""
    usual = {"id": "a", "main_pid": 7, "start": "1", "state": "running", "workers": ["8.100"], "changed": "500"}
    return {"instances": [{**usual, **one} for one in instances]}


@pytest.mark.parametrize(("before", "after", "workers", "state"), [
    (shown({}), shown({}), False, False), (shown({}), shown({"workers": ["9.200"]}), True, False),
    (shown({}), shown({"workers": ["8.100", "9.200"]}), True, False), (shown({}), shown({"workers": []}), False, False),
    (shown({}), shown({"workers": ["8.200"]}), True, False), (shown({}), shown({"changed": "600"}), False, True),
    (shown({}), shown({"workers": ["9.200"], "changed": "600", "main_pid": 70}), False, False),
    (shown({}), shown({"workers": ["9.200"], "changed": "600", "start": "2"}), False, False),
    (shown({}), shown({"workers": ["9.200"], "changed": "600", "state": "exited"}), False, False),
    (shown({}), shown({"workers": ["9.200"], "changed": "600", "id": "b"}), False, False),
    (shown({}), shown({"workers": ["9.200"], "changed": ""}), True, False),
    (shown({}, {"id": "b"}), shown({"workers": ["9.200"]}, {"id": "b"}), False, False),
    (shown({}, {"id": "b"}), shown({"workers": ["9.200"]}, {"id": "b", "workers": ["6.200"]}), True, False),
    (shown({}, {"id": "b"}), shown({"workers": ["9.200"]}, {"id": "b", "state": "exited"}), True, False),
    (shown({}), shown(), False, False), ({"failed": True}, shown({}), False, False), (shown({}), {"failed": True}, False, False),
])
def test_two_looks_show_a_reload(before: dict[str, Any], after: dict[str, Any], workers: bool, state: bool) -> None:
    assert doing.reloaded(after, before=before, evidence="workers") is workers
    assert doing.reloaded(after, before=before, evidence="state") is state
