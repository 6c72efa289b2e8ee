# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run of kubectl, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import Call, call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

KUBECTL = ["kubectl", "--namespace=shop"]
WEB = "deployments.apps/web"


def call(
    verb: str, *instances: dict[str, Any], identity: str = "deployment/web", count: int | None = None, release: str = "", **more: Any,
) -> Call:
    service = Service(name="web", runtime="kubernetes", identity=identity, where={"namespace": "shop"}, **more)
    return call_of(service, verb, instances=instances, count=count, release=release)


def pod(state: str = "Running", *, release: str = "2", newest: bool = True, desired: int = 2, **more: Any) -> dict[str, Any]:
    return {"state": state, "release": release, "newest": newest, "desired": desired, **more}


@pytest.mark.parametrize(("made", "argv"), [
    (call("restart", pod(), pod()), ["rollout", "restart", WEB]),
    (call("restart", pod("CrashLoopBackOff")), ["rollout", "restart", WEB]),
    (call("restart", pod(), identity="sts/web"), ["rollout", "restart", "statefulsets.apps/web"]),
    (call("scale", pod(), count=4), ["scale", WEB, "--current-replicas=2", "--replicas=4"]),
    (call("scale", pod(desired=5), count=3), ["scale", WEB, "--current-replicas=5", "--replicas=3"]),
    (call("stop", pod()), ["scale", WEB, "--current-replicas=2", "--replicas=0"]),
    (call("start", desired=3), ["scale", WEB, "--current-replicas=0", "--replicas=3"]),
    (call("start", desired=3, count=2), ["scale", WEB, "--current-replicas=0", "--replicas=2"]),
    (call("rollback", pod(), release="1"), ["rollout", "undo", WEB, "--to-revision=1"]),
    (call("rollback", pod("CrashLoopBackOff", restarting=True), pod(release="1", newest=False), release="1"),
     ["rollout", "undo", WEB, "--to-revision=1"]),
])
def test_commands(made: Call, argv: list[str]) -> None:
    assert (made.module, made.args, made.forbidden) == ("ansible.builtin.command", {"argv": [*KUBECTL, *argv]}, ())


@pytest.mark.parametrize(("made", "why"), [
    (call("restart"), "no pod to restart"),
    (call("restart", pod(), pod(release="1", newest=False)), "a rollout of web has not come to its end"),
    (call("restart", pod("ImagePullBackOff")), "would be as those that are there: ImagePullBackOff"),
    (call("restart", pod(), one_shot=True), "a job with an end"),
    (call("reload", pod()), "no reload"),
    (call("scale", pod()), "give the number"), (call("scale", pod(), count=0), "stop it to have none"),
    (call("scale", pod(), count=2), "set to 2 pods already"), (call("stop"), "set to 0 pods already"),
    (call("start"), "say desired of the service"), (call("start", pod("Pending"), desired=3), "nothing to start"),
    (call("start", pod("Pending"), desired=2), "set to 2 pods already"),
    (call("scale", pod(), identity="ds/web", count=3), "a DaemonSet"), (call("stop", pod(), identity="ds/web"), "a DaemonSet"),
    (call("rollback", pod()), "not named by its number"), (call("rollback", pod(), release="web-7d9"), "not named by its number"),
    (call("rollback", pod(), release="2"), "at revision 2 already"),
    (call("rollback", pod(release="3"), pod("CrashLoopBackOff", restarting=True, newest=False), release="2"), "of revision 2 of web crash"),
    (call("rollback", pod(release="3"), pod(oom=True, newest=False), release="2"), "of revision 2 of web crash"),
    (call("rollback", pod(), identity="sts/web", release="1"), "rolled back by hand"),
])
def test_refusals(made: Call, why: str) -> None:
    assert any(why in sentence for sentence in made.forbidden), made.forbidden
