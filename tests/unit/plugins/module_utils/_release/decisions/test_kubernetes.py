# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kubectl prints, cut down; a cluster's own objects have more, which nobody reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.kubernetes import seen_of
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.releases import Note, Seen
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.switching import switch
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.verdict import Migrations, judge_releases

NUMBER = "deployment.kubernetes.io/revision"


def owned(kind: str, name: str, uid: str, owner: str, **more: Any) -> dict[str, Any]:
    """An object of a namespace."""
    about = {"name": name, "uid": uid, "ownerReferences": [{"uid": owner}], "creationTimestamp": "2026-11-30T10:00:00Z"}
    return {"kind": kind, "metadata": {**about, **more.pop("metadata", {})}, **more}


def replica_set(name: str, number: str, replicas: int, *, owner: str = "d") -> dict[str, Any]:
    """A ReplicaSet by the hash of its template."""
    about = {"labels": {"pod-template-hash": name}, "annotations": {NUMBER: number}}
    return owned("ReplicaSet", f"web-{name}", f"uid-{name}", owner, metadata=about, spec={"replicas": replicas})


DEPLOYMENT = {
    "metadata": {"uid": "d", "generation": 7, "annotations": {NUMBER: "4"}}, "spec": {"replicas": 2},
    "status": {"observedGeneration": 7, "readyReplicas": 2},
}
SETS = [replica_set("aaa", "2", 0), replica_set("bbb", "4", 2), replica_set("ccc", "3", 0), replica_set("zzz", "1", 1, owner="other")]


def looked(deployment: Any = DEPLOYMENT, sets: Any = SETS, pods: Any = (), notes: Any = None) -> Seen:
    """A look."""
    texts = [json.dumps(one) for one in (deployment, {"items": list(sets)}, {"items": list(pods)})]
    return seen_of("deployment shop/web", *texts, notes=notes or {})


def test_what_runs_is_the_newest_revision_of_this_deployment() -> None:
    seen = looked(notes={"gone": Note(1.0)})
    assert seen.running == ("bbb",) and not seen.broken
    assert [(one.id, one.name, one.present) for one in seen.releases] == [
        ("bbb", "revision 4", True), ("ccc", "revision 3", True), ("aaa", "revision 2", True), ("gone", "", False)]


def test_a_rollout_that_has_not_ended_runs_two() -> None:
    assert looked(sets=[replica_set("aaa", "2", 1), SETS[1]]).running == ("bbb", "aaa")


@pytest.mark.parametrize(("more", "said"), [
    ({"status": {"observedGeneration": 7}}, "0 of 2 replicas are ready"),
    ({"status": {"observedGeneration": 6, "readyReplicas": 2}}, "not observed"),
])
def test_what_is_not_ready_is_broken(more: dict[str, Any], said: str) -> None:
    assert said in looked({**DEPLOYMENT, **more}).broken


def test_a_revision_that_crashes_is_not_gone_back_to() -> None:
    status = {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}
    seen = looked(pods=[owned("Pod", "web-ccc-1", "p", "uid-ccc", status=status)])
    judged = judge_releases(seen, to="revision 3", migrations=Migrations(), asked=[])
    assert "did not run: pod web-ccc-1 is in CrashLoopBackOff" in judged.more["against"][0]


def test_it_is_undone_by_the_number_that_the_revision_has_now() -> None:
    judged = judge_releases(looked(), to="aaa", migrations=Migrations(), asked=[])
    done = switch(judged.as_result(), method="kubernetes", where={"name": "web", "namespace": "shop"}, compatible=True, timeout="60s")
    assert done["args"]["argv"] == ["kubectl", "--namespace", "shop", "rollout", "undo", "deployment/web", "--to-revision=2"]
    paused = {**DEPLOYMENT, "spec": {"replicas": 2, "paused": True}}
    judged = judge_releases(looked(paused), to="aaa", migrations=Migrations(), asked=[])
    assert "paused" in judged.more["against"][0]


@pytest.mark.parametrize("texts", [("x", "{}", "{}"), ("{}", "{}", "{}"), (json.dumps(DEPLOYMENT), "{}", "{}")])
def test_what_is_not_an_answer_is_blindness(texts: tuple[str, str, str]) -> None:
    with pytest.raises(Blind):
        seen_of("x", *texts, notes={})
