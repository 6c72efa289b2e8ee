# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of the API of Kubernetes does with a real kubectl what the real one does, and refuses what it does not understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kube_api import KubeApi
from tests.support.until import until

pytestmark = pytest.mark.timeout(300)
IN = ("--namespace=shop",)
WEB = "deployment/web"


@pytest.fixture(name="api")
def _api(tmp_path: Path) -> Iterator[KubeApi]:
    with KubeApi(tmp_path) as api:
        api.deploy("web", image="web:1", replicas=3, env={"DB_POOL_SIZE": "20", "LEVEL": "info"})
        ready(api)
        yield api


def ready(api: KubeApi) -> None:
    api.kubectl(*IN, "rollout", "status", WEB, "--timeout=60s")


def got(api: KubeApi, *words: str) -> Any:
    return json.loads(api.kubectl(*IN, "get", *words, "--output=json"))


def pods(api: KubeApi) -> dict[str, Any]:
    """The pods that are not about to end, by uid."""
    found = got(api, "pods", "--selector=app=web")["items"]
    return {one["metadata"]["uid"]: one for one in found if "deletionTimestamp" not in one["metadata"]}


def test_a_restart_replaces_every_pod_and_makes_a_revision(api: KubeApi) -> None:
    before = pods(api)
    api.kubectl(*IN, "rollout", "restart", WEB)
    ready(api)
    until(lambda: len(pods(api)) == 3, what="the old pods to go")
    assert not pods(api).keys() & before.keys()
    assert [line.split()[0] for line in api.kubectl(*IN, "rollout", "history", WEB).splitlines() if line[:1].isdigit()] == ["1", "2"]


def test_the_status_lags_behind_what_is_asked_for(api: KubeApi) -> None:
    with api.holding():
        api.kubectl(*IN, "rollout", "restart", WEB)
        web = got(api, WEB)
        assert (web["metadata"]["generation"], web["status"]["observedGeneration"], web["status"]["readyReplicas"]) == (2, 1, 3)
    until(lambda: got(api, WEB)["status"]["observedGeneration"] == 2, what="the controller to notice")


def test_environment_is_merged_by_name_and_keeps_its_order(api: KubeApi) -> None:
    api.kubectl(*IN, "set", "env", WEB, "LEVEL=debug", "MORE=1", "DB_POOL_SIZE-")
    (container,) = got(api, WEB)["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "LEVEL", "value": "debug"}, {"name": "MORE", "value": "1"}]
    assert container["image"] == "web:1"


def test_a_scale_compares_and_sets(api: KubeApi) -> None:
    api.kubectl(*IN, "scale", WEB, "--current-replicas=3", "--replicas=4")
    until(lambda: len(pods(api)) == 4, what="a fourth pod")
    assert "Expected replicas to be 3, was 4" in api.kubectl(*IN, "scale", WEB, "--current-replicas=3", "--replicas=9", fails=True)
    assert got(api, WEB)["spec"]["replicas"] == 4
    api.kubectl(*IN, "scale", WEB, "--replicas=0")
    until(lambda: not pods(api), what="no pod")


@pytest.mark.parametrize(("image", "waiting", "last"), [
    ("web:crash", "CrashLoopBackOff", "Error"), ("web:oom", "CrashLoopBackOff", "OOMKilled"), ("web:absent", "ImagePullBackOff", ""),
])
def test_a_bad_image_never_becomes_ready_for_good_and_undo_goes_to_a_revision(api: KubeApi, image: str, waiting: str, last: str) -> None:
    api.kubectl(*IN, "set", "image", WEB, f"web={image}")

    def says() -> bool:
        states = [one["status"]["containerStatuses"][0] for one in pods(api).values() if "containerStatuses" in one["status"]]
        return any(one["image"] == image and one["state"].get("waiting", {}).get("reason") == waiting
                   and one["lastState"].get("terminated", {}).get("reason", "") == last for one in states)

    until(says, what=waiting)
    api.kubectl(*IN, "rollout", "undo", WEB, "--to-revision=1")
    ready(api)
    until(lambda: {one["spec"]["containers"][0]["image"] for one in pods(api).values()} == {"web:1"}, what="the old image alone")
    # The revision that it went back to has a number of its own, and the gap stays.
    assert [line.split()[0] for line in api.kubectl(*IN, "rollout", "history", WEB).splitlines() if line[:1].isdigit()] == ["2", "3"]
    assert "unable to find specified revision" in api.kubectl(*IN, "rollout", "undo", WEB, "--to-revision=1", fails=True)


def test_without_history_nothing_old_is_kept(api: KubeApi) -> None:
    api.kubectl(*IN, "patch", WEB, "--type=merge", "--patch", '{"spec": {"revisionHistoryLimit": 0}}')
    api.kubectl(*IN, "rollout", "restart", WEB)
    ready(api)
    until(lambda: len(got(api, "replicasets")["items"]) == 1, what="the old ReplicaSet to go")


def test_a_rollout_that_does_not_come_to_its_end_says_so(api: KubeApi) -> None:
    api.kubectl(*IN, "patch", WEB, "--type=merge", "--patch", '{"spec": {"progressDeadlineSeconds": 1}}')
    api.kubectl(*IN, "set", "image", WEB, "web=web:unready")
    assert "exceeded its progress deadline" in api.kubectl(*IN, "rollout", "status", WEB, "--timeout=60s", fails=True)
    # The old pods that were needed are still there.
    assert sum(one["spec"]["containers"][0]["image"] == "web:1" for one in pods(api).values()) == 3


def test_a_service_has_its_ready_pods_as_endpoints(api: KubeApi) -> None:
    api.store.create("services", {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}})
    api.store.create("services", {"metadata": {"name": "lost", "namespace": "shop"}, "spec": {"selector": {"app": "wbe"}}})
    until(lambda: len(got(api, "endpoints")["items"]) == 2, what="the controller")
    by_name = {one["metadata"]["name"]: one["subsets"] for one in got(api, "endpoints")["items"]}
    assert by_name["lost"] == [] and len(by_name["web"][0]["addresses"]) == 3


def test_a_list_comes_in_parts_and_is_selected(api: KubeApi) -> None:
    assert len(got(api, "pods", "--chunk-size=1")["items"]) == 3
    assert len(got(api, "pods", "--selector=app in (web,api),!missing")["items"]) == 3
    assert got(api, "pods", "--field-selector=status.phase!=Running")["items"] == []


def test_a_crash_leaves_an_event_and_a_log(api: KubeApi) -> None:
    api.kubectl(*IN, "set", "image", WEB, "web=web:crash")
    until(lambda: got(api, "events")["items"], what="an event")
    event = got(api, "events")["items"][0]
    name = event["involvedObject"]["name"]
    assert [one["reason"] for one in got(api, "events", f"--field-selector=involvedObject.name={name}")["items"]][:1] == ["BackOff"]
    api.logs[name, "web", True] = "one\ntwo\nthree\n"
    assert api.kubectl(*IN, "logs", name, "--previous", "--tail=2") == "two\nthree\n"
    (other, *_more) = [one["metadata"]["name"] for one in got(api, "pods")["items"] if one["metadata"]["name"] != name]
    assert "previous terminated container" in api.kubectl(*IN, "logs", other, "--previous", fails=True)


def test_who_may_not_is_told_which_verb_on_what(api: KubeApi) -> None:
    api.denied.update({("get", "deployments"), ("patch", "deployments")})
    said = api.kubectl(*IN, "get", WEB, fails=True)
    assert 'User "oncall" cannot get resource "deployments" in API group "apps" in the namespace "shop"' in said
    assert api.kubectl(*IN, "auth", "can-i", "patch", "deployments.apps", fails=True).startswith("no")
    assert api.kubectl(*IN, "auth", "can-i", "patch", "replicasets.apps").startswith("yes")


@pytest.mark.parametrize(("kind", "patch"), [
    ("merge", '{"spec": {"template": {"spec": {"conatiners": []}}}}'),
    ("merge", '{"spec": {"replicas": "3"}}'),
    ("merge", '{"spec": {"replicas": -1}}'),
    ("merge", '{"spec": {"selector": {"matchLabels": {"app": "other"}}}}'),
    ("merge", '{"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 9}}'),
    ("strategic", '{"spec": {"template": {"spec": {"containers": [{"image": "without-its-name"}]}}}}'),
    ("strategic", '{"spec": {"template": {"spec": {"$nonsense": []}}}}'),
    ("json", '[{"op": "replace", "path": "/spec/none", "value": 1}]'),
    ("json", '[{"op": "test", "path": "/spec/replicas", "value": 7}, {"op": "replace", "path": "/spec/replicas", "value": 8}]'),
])
def test_what_the_api_refuses_is_refused_and_changes_nothing(api: KubeApi, kind: str, patch: str) -> None:
    before = got(api, WEB)
    api.kubectl(*IN, "patch", WEB, f"--type={kind}", "--patch", patch, fails=True)
    assert got(api, WEB) == before
    assert api.asked[-1][2] == 200 and any(method == "PATCH" and status in (400, 409, 422) for method, _path, status in api.asked)


def test_a_patch_without_a_known_type_and_an_old_version_are_refused(api: KubeApi) -> None:
    old = api.store.get("deployments", "shop", "web")
    api.kubectl(*IN, "scale", WEB, "--replicas=2")
    stale = api.home / "web.json"
    stale.write_text(json.dumps(old))
    assert "the object has been modified" in api.kubectl(*IN, "replace", "--validate=false", "--filename", str(stale), fails=True)
    assert "NotFound" in api.kubectl(*IN, "get", "deployment/missing", fails=True)
    assert "NotFound" in api.kubectl("get", "--raw", "/apis/apps/v2/deployments", fails=True)
