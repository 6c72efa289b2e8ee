# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollout of a service in Kubernetes, who reaches its pods, and the room for one more."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import NOT_APPLICABLE, Finding, Skipped
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.health import OF_A_RUNTIME
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.kubernetes import Workload
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.kubernetes_facts import ABSENT, Around, facts

WEB = Workload(
    kind="deployment", name="web", uid="u", desired=2, generation=3, observed=3, updated=2, ready=2, available=2, present=2,
    progressing="NewReplicaSetAvailable", labels={"app": "web", "tier": "a"}, requests={"cpu": 0.5, "memory": 2.0 ** 28},
)


def told(check: str, *, made: Workload = WEB, nodes: bool = False, unread: Sequence[str] = (), **objects: Any) -> Finding | Skipped:
    """The answer to a check; objects by kind."""
    around = Around(objects=objects, nodes=nodes, unread={one: (f"may not list {one}", "Grant it.") for one in unread})
    found = facts("shop", made, around)
    assert [one.check for one in found] == list(OF_A_RUNTIME)
    return next(one for one in found if one.check == check)


def status(check: str, **given: Any) -> tuple[str, str]:
    """Status and hint of a finding; the first word of the reason of one that is skipped, and its kind."""
    found = told(check, **given)
    return (found.status, found.hint) if isinstance(found, Finding) else (found.reason.partition(":")[0], found.kind)


def service(name: str = "web", **selector: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": selector}}


def endpoints(name: str = "web", ready: int = 0, waiting: int = 0) -> dict[str, Any]:
    groups = {"addresses": [{"ip": f"192.0.2.{number}"} for number in range(ready)],
              "notReadyAddresses": [{"ip": f"192.0.2.{number}"} for number in range(waiting)]}
    return {"metadata": {"name": name}, "subsets": [groups] if ready or waiting else None}


def ingress(name: str, backend: str, *addresses: dict[str, str], default: bool = False) -> dict[str, Any]:
    leads = {"service": {"name": backend}}
    spec = {"defaultBackend": leads} if default else {"rules": [{"host": "shop.example.org"}, {"http": {"paths": [{"backend": leads}]}}]}
    return {"metadata": {"name": name}, "spec": spec, "status": {"loadBalancer": {"ingress": list(addresses)} if addresses else {}}}


def node(
    name: str = "n1", *, cpu: str = "2", memory: str = "1Gi", pods: str = "10", cordoned: bool = False, **conditions: str,
) -> dict[str, Any]:
    said = {"Ready": "True", **conditions}
    return {"metadata": {"name": name}, "spec": {"unschedulable": True} if cordoned else {}, "status": {
        "allocatable": {"cpu": cpu, "memory": memory, "pods": pods}, "conditions": [{"type": key, "status": said[key]} for key in said]}}


def pod(on: str = "n1", cpu: str = "100m", memory: str = "1Mi", phase: str = "Running") -> dict[str, Any]:
    containers = [{"resources": {"requests": {"cpu": cpu, "memory": memory}}}]
    return {"spec": {"nodeName": on, "containers": containers}, "status": {"phase": phase}}


def quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": hard, "used": used}}


@pytest.mark.parametrize(("changes", "verdict", "says"), [
    ({}, "ok", ""), ({"ready": 0}, "ok", ""),  # whether pods are ready is another check's
    ({"observed": 2}, "unknown", "has not seen the last change"), ({"paused": True}, "warning", "paused"),
    ({"progressing": "ProgressDeadlineExceeded", "stuck": True, "updated": 1}, "critical", "came to no end"),
    ({"updated": 1}, "warning", "1 of 2 pods are of the newest release, 1 are older"), ({"present": 3}, "warning", "1 are older"),
])
def test_rollout(changes: dict[str, Any], verdict: str, says: str) -> None:
    found, hint = status("rollout", made=dataclasses.replace(WEB, **changes))
    assert found == verdict and says in hint


@pytest.mark.parametrize(("given", "verdict", "says"), [
    ({"Service": [service(app="web")], "Endpoints": [endpoints(ready=2)]}, "ok", ""),
    ({"Service": [service(app="web")], "Endpoints": [endpoints(waiting=2)]}, "critical", "no pod behind it is ready"),
    ({"Service": [service(app="web")]}, "critical", "no pod behind it is ready"),
    ({"Service": [service(app="wbe")], "Endpoints": [endpoints()]}, "critical", "selects app=wbe, and the pods of web have other"),
    ({"Service": [service("public", app="web"), service("in", tier="a")], "Endpoints": [endpoints("public", 2)]}, "critical", "Service in"),
    ({"Service": [service("api", app="api")]}, "no_service", NOT_APPLICABLE), ({"Service": [service("web")]}, "no_service", NOT_APPLICABLE),
    ({"Service": [service(app="web")], "made": dataclasses.replace(WEB, desired=0)}, "no_pods_wanted", NOT_APPLICABLE),
    ({"unread": ["endpoints"]}, "unreadable", "could_not_look"), ({"unread": ["services"]}, "unreadable", "could_not_look"),
])
def test_endpoints(given: dict[str, Any], verdict: str, says: str) -> None:
    found, hint = status("endpoints", **given)
    assert found == verdict and says in hint


@pytest.mark.parametrize(("ingresses", "verdict", "says"), [
    ([ingress("in", "web", {"ip": "192.0.2.9"})], "ok", ""), ([ingress("in", "web", {"hostname": "lb.example.org"})], "ok", ""),
    ([ingress("in", "web")], "warning", "Ingress in has no address"), ([ingress("in", "web", default=True)], "warning", "no address"),
    ([ingress("in", "api")], "no_ingress", NOT_APPLICABLE), ([], "no_ingress", NOT_APPLICABLE),
])
def test_ingress(ingresses: list[dict[str, Any]], verdict: str, says: str) -> None:
    found, hint = status("ingress", Service=[service(app="web")], Ingress=ingresses)
    assert found == verdict and says in hint


@pytest.mark.parametrize(("nodes", "verdict", "says"), [
    ([node(), node("n2")], "ok", ""), ([node(), node("n2", Ready="Unknown")], "warning", "n2: not ready."),
    ([node(MemoryPressure="True", DiskPressure="True")], "warning", "n1: MemoryPressure, DiskPressure."),
    ([node(Ready="False")], "critical", "n1: not ready."), ([], "critical", "There is no node."),
    ([node(f"n{number}", Ready="False") for number in range(5)], "critical", "and 2 more."), ([node(cordoned=True)], "ok", ""),
])
def test_nodes(nodes: list[dict[str, Any]], verdict: str, says: str) -> None:
    found, hint = status("nodes", nodes=True, Node=nodes)
    assert found == verdict and hint.endswith(says)


def test_nodes_are_read_only_where_that_is_meant() -> None:
    assert status("nodes") == ("nodes_not_meant", NOT_APPLICABLE)
    assert status("nodes", nodes=True, unread=["nodes"]) == ("unreadable", "could_not_look")


@pytest.mark.parametrize(("given", "room"), [
    ({"Node": [node()]}, 4),  # memory: 1 GiB of 256 MiB each
    ({"Node": [node(cpu="1500m")]}, 3), ({"Node": [node(), node("n2")]}, 8), ({"Node": [node(cordoned=True)]}, 0),
    ({"Node": [node(Ready="False")]}, 0), ({"Node": [node(pods="1")], "Pod": [pod()]}, 0),
    ({"Node": [node()], "Pod": [pod(cpu="1")]}, 2), ({"Node": [node()], "Pod": [pod(cpu="1", phase="Succeeded")]}, 4),
    ({"Node": [node()], "Pod": [pod("n2", cpu="2")]}, 4),
    ({"Node": [node()], "ResourceQuota": [quota({"requests.cpu": "1"}, {"requests.cpu": "500m"})]}, 1),
])
def test_room_on_the_nodes(given: dict[str, Any], room: int) -> None:
    found = told("room", nodes=True, **given)
    assert isinstance(found, Finding) and (found.observed, found.status) == (room, "ok" if room else "warning")


@pytest.mark.parametrize(("hard", "used", "room"), [
    ({"requests.cpu": "2"}, {"requests.cpu": "1"}, 2), ({"pods": "5"}, {"pods": "5"}, 0), ({"count/pods": "5"}, {"count/pods": "4"}, 1),
    ({"requests.memory": "1Gi"}, {}, 4), ({"cpu": "600m"}, {"cpu": "200m"}, 0),
])
def test_room_in_a_quota(hard: dict[str, str], used: dict[str, str], room: int) -> None:
    found = told("room", ResourceQuota=[quota(hard, used)])
    assert isinstance(found, Finding) and found.observed == room
    assert ("quota team" in found.hint) == (room == 0)


def test_a_quota_that_limits_nothing_of_it_says_nothing() -> None:
    assert status("room", ResourceQuota=[quota({"configmaps": "1"}, {"configmaps": "1"})]) == ("no_quota", NOT_APPLICABLE)
    assert status("room", ResourceQuota=[quota({"pods": "0"}, {}, scopes=["BestEffort"])]) == ("no_quota", NOT_APPLICABLE)
    assert status("room", unread=["resourcequotas"]) == ("unreadable", "could_not_look")


def test_each_reason_is_told() -> None:
    assert set(ABSENT) == {"no_service", "no_ingress", "no_pods_wanted", "no_quota", "nodes_not_meant"}
