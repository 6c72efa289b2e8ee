# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import remedies
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.state import RECOVERIES

WORDS: dict[str, Any] = {
    "restart": "auto", "clear": "auto", "clear_pattern": "", "clear_flush": False, "repoint_primary_host": "", "kill_min_idle": "5m",
}
PATTERN = {"clear_pattern": "session:*"}


def done(recovery: str, **words: Any) -> set[str]:
    """What is done."""
    found = remedies.chosen(recovery, **{**WORDS, **words})
    return {name for name, value in found.items() if value is True}


@pytest.mark.parametrize(("recovery", "words", "made"), [
    ("", {}, set()), ("", {**PATTERN}, set()), ("down", {}, {"restarts", "empties"}), ("frozen", {}, {"restarts", "empties"}),
    ("frozen", {"restart": "never"}, set()), ("", {"restart": "always"}, {"restarts", "empties"}),
    ("maxclients", {}, {"ends_clients"}), ("misconf_disk", {}, {"frees_disk"}), ("oom_noeviction", {}, {"ends_clients"}),
    ("oom_noeviction", PATTERN, {"ends_clients", "clears", "empties"}), ("evicting", {"clear_flush": True}, {"clears", "empties"}),
    ("evicting", {**PATTERN, "clear": "never"}, set()), ("", {**PATTERN, "clear": "always"}, {"clears", "empties"}),
    ("", {"clear": "always"}, set()), ("replica_orphan", {}, set()),
    ("replica_orphan", {"repoint_primary_host": "192.0.2.7"}, {"repoints"}),
    ("down", {"repoint_primary_host": "x"}, {"restarts", "empties"}),
    ("no_quorum", {}, set()), ("loading", {**PATTERN}, set()), ("busy", {}, {"ends_script"}),
    ("", {"kill_script": True}, set()), ("paused", {"restart": "auto", "kill_script": True}, set()),
])
def test_what_is_done(recovery: str, words: dict[str, Any], made: set[str]) -> None:
    assert done(recovery, **words) == made


def test_every_recovery_has_a_remedy_or_a_word() -> None:
    for recovery in RECOVERIES:
        assert remedies.remedies_for(recovery) or remedies.chosen(recovery, **WORDS)["helpless"], recovery
    assert remedies.remedies_for("") == [] == remedies.remedies_for("new")


@pytest.mark.parametrize(("recovery", "words", "said"), [
    ("oom_noeviction", {}, "The recovery code is oom_noeviction. Nothing says what may be cleared, so set redis_clear_pattern."),
    ("oom_noeviction", PATTERN, ""), ("oom_noeviction", {"restart": "always"}, ""),
    ("replica_orphan", {"repoint_primary_host": "x"}, ""),
    ("loading", {}, "The recovery code is loading. The server reads its data. Wait for it."),
    ("down", {"restart": "never"}, ""), ("", {}, ""), ("busy", {"kill_script": True}, ""),
    ("busy", {}, ("The recovery code is busy. A script or function holds everything up. Set redis_kill_script to end one that has "
                  "written nothing.")),
])
def test_what_nothing_is_configured_for(recovery: str, words: dict[str, Any], said: str) -> None:
    assert remedies.chosen(recovery, **{**WORDS, **words})["helpless"] == said


def test_idle_clients_are_in_the_way_only_where_there_is_no_room() -> None:
    assert remedies.chosen("maxclients", **WORDS)["kill_min_idle"] == "5m"
    assert remedies.chosen("oom_noeviction", **WORDS)["kill_min_idle"] == ""


SYSTEMD = "only with redis_via=host (here: controller) can it be shown that unit redis is this server. Restart it by hand"
COMPOSE = (
    "only with redis_via=container (here: {}), and where redis_container_name is the service's only container, can it be shown that "
    "service redis is this server. Set both, or restart it by hand"
)


@pytest.mark.parametrize(("runtime", "via", "only", "other"), [
    ("systemd", "host", False, []), ("systemd", "controller", False, [SYSTEMD]), ("compose", "container", True, []),
    ("compose", "container", False, [COMPOSE.format("container")]), ("compose", "host", True, [COMPOSE.format("host")]),
])
def test_only_the_server_itself_is_restarted(runtime: str, via: str, only: bool, other: list[str]) -> None:
    check = {"obstacles": ["unsaved"], "stopped": False, "findings": [{"observed": "unsaved"}]}
    found = remedies.restart_request(check, recovery="", runtime=runtime, via=via, service="redis", only_container=only)
    reason = "Its restart was asked for (redis_restart=always)."
    assert found == {"forbidden": ["unsaved", *other], "start_only": False, "reason": reason}


@pytest.mark.parametrize(("recovery", "stopped", "reason"), [
    ("frozen", False, "The server is frozen."), ("down", True, "The server is down (2 files on disk)."),
    ("loading", False, "Its restart was asked for (redis_restart=always)."),
    ("", True, "Its restart was asked for (redis_restart=always) (2 files on disk)."),
])
def test_why_it_is_restarted(recovery: str, stopped: bool, reason: str) -> None:
    check = {"obstacles": [], "stopped": stopped, "findings": [{"observed": "2 files on disk"}]}
    found = remedies.restart_request(check, recovery=recovery, runtime="systemd", via="host", service="redis", only_container=False)
    assert (found["reason"], found["start_only"]) == (reason, stopped)
    priced = remedies.restart_request(
        {**check, "cost": "9 keys are lost"}, recovery=recovery, runtime="systemd", via="host", service="redis", only_container=False,
    )
    assert priced["reason"] == (reason if stopped else f"{reason} It costs: 9 keys are lost.")


@pytest.mark.parametrize(("asked", "said"), [
    ([], ""), ([{"item": "http://a", "status": 204}], ""),
    ([{"item": "http://a", "status": -1}, {"item": "http://b", "status": 200}, {"item": "http://c"}],
     "The application did not keep answering while the cache was gone: http://a, http://c."),
])
def test_which_urls_were_silent(asked: list[dict[str, Any]], said: str) -> None:
    assert remedies.app_silent(asked, expected=[200, 204]) == said
