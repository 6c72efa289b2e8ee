# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario redis-recovery against real servers: by recovery code, in check mode, approved, refused where data would be lost.

Three plays, each with many hosts, that the tests read: a check, the run that repairs, and a run of `mitigate` alone that has nothing to do
or is refused. Each host has a server of its own. There is no systemd in a test: `systemctl` is a stand-in that really starts and stops the
process. What the command `incident` makes of such plays is tested in test_redis_recovery_command.py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import make_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.support.need import need
from tests.support.redis_acting import connections, fingerprint, idle_ids, idle_seconds
from tests.support.redis_servers import RedisServer
from tests.support.redis_site import (
    LEAK,
    Application,
    Caches,
    answering,
    caches,
    count,
    fill,
    fill_memory,
    full_disk,
    lasting,
    small_disk,
    verbs,
)
from tests.support.site import Ended
from tests.support.sshd import FAR, running
from tests.support.until import until

# Whichever test comes first waits for three plays, on a machine that may be busy.
pytestmark = pytest.mark.timeout(3600)
PASSWORD = "zeppelin-quartz-91"
#: For a host that must end as not recovered: how long verify goes on looking makes no difference to what it says.
LOST = {"redis_verify_timeout": "2s", "redis_verify_hold": "0s"}
#: A restart that is asked for, of a server of which a check fails and nothing else is to be done: without that it is left alone.
RESTART: dict[str, Any] = {
    "redis_restart": "always", "redis_thresholds": {"connections_warning": "0", "connections_critical": "off"}, "incident_rung_wait": "0s",
}
#: Keys that are cleared although nothing is wrong.
CLEAR_GOOD = {"redis_clear": "always", "redis_clear_pattern": "good:*"}
CLEAR_BAD = {"redis_clear": "always", "redis_clear_pattern": "bad:*"}
#: Hosts that are looked at in check mode and then repaired by that plan.
APPROVED = ("frozen", "disk", "poisoned", "clients", "orphan")
WAYS = ("by_controller", "by_container", "by_ssh_tunnel", "by_kubernetes")
#: Hosts whose unit is another process than their server.
OTHER_UNIT = ("well_elsewhere", "frozen_elsewhere", "down_elsewhere", "by_another_way")


@dataclass
class Story:
    """The plays, and what was so in between.

    Attributes:
        checked, done, refused: the check, the repair, and `mitigate` once more and where it is refused.
        before, after_check: all that tells of the servers that a check must not change.
        restarted_by_check: hosts of which it has restarted the server.
        asked: who had been asked for after each play.
        log_after_check: whether the file that fills the disk was still there.
        idle: connections after the check and after the repair.
        left: what the repair has left in TMPDIR.
    """

    hosts: Caches
    application: Application
    inside: dict[str, Path]
    heir: RedisServer
    other: RedisServer
    replica: RedisServer
    checked: Ended
    done: Ended
    refused: Ended
    before: dict[str, str]
    after_check: dict[str, str]
    restarted_by_check: list[str]
    asked: list[list[str]]
    log_after_check: bool
    idle: list[int]
    left: list[Path]


def told(done: Ended, host: str) -> str:
    """All that was recorded of a host."""
    return " ".join(json.dumps(event) for event in done.events() if event.get("host") == host)


def error(done: Ended, host: str, verb: str) -> str:
    """Why an action of a host was not done."""
    (found,) = (action["detail"].get("error", "") for action in done.actions(host) if action["verb"] == verb)
    return str(found)


def planned(done: Ended, host: str) -> list[str]:
    """The verbs of a host's plan."""
    return [action["verb"] for action in done.plan()["actions"].get(host, [])]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Every host, and the three plays."""
    need(shutil.which("redis-cli"), "redis-cli")
    place = tmp_path_factory.mktemp("redis")
    with caches(place) as hosts:
        application = hosts.stack.enter_context(answering())
        inside = add_full_disks(hosts)
        heir = add_orphans(hosts)
        add_what_is_repaired(hosts, application)
        other = add_other_units(hosts)
        add_compose(hosts)
        replica = hosts.replica(hosts.add("copied", **RESTART).server)
        os.kill(hosts["frozen"].server.pid, signal.SIGSTOP)

        unchanged = ("healthy", "disk", "poisoned", "re_written", "orphan")
        before = {name: fingerprint(hosts[name].server) for name in unchanged}
        hosts.group(*APPROVED, "healthy", "re_written", "crowded_out")
        checked = hosts.play("--check")
        after_check = {name: fingerprint(hosts[name].server) for name in unchanged}
        restarted = [name for name, host in hosts.hosts.items() if host.restarts]
        log_after_check = (inside["disk"] / "other.log").exists()
        asked, idle = [list(application.asked)], [len(idle_ids(hosts["clients"].server))]

        os.kill(hosts["not_accepted"].server.pid, signal.SIGSTOP)
        spin(hosts["busy"].server)
        hosts["down"].server.kill()
        application_host = hosts.site.hosts["app"] = {"app1": hosts["app1"].variables(service_name="shop", service_timeout="60s")}
        for variables in application_host.values():
            variables["ansible_connection"] = "local"
        repaired = ("healthy", "busy", "kept", "not_accepted", "unavailable", "down", "stale", "full", "crowded_out", *WAYS)
        hosts.group(*repaired, **{name: {"incident_approved_plan": lasting(checked.plan())} for name in APPROVED})
        done = hosts.play()
        asked.append(list(application.asked))
        idle.append(len(idle_ids(hosts["clients"].server)))
        left = list(hosts.site.temporary.iterdir())

        hosts.site.group("app")
        nothing = lasting(make_plan(run="another", now=time.time(), actions={}).as_dict())
        hosts.group(
            "disk", "poisoned", "still_full", "over", "nothing_wrong", "tried_over", "tried", "orphan_alone", "orphan_of_a_stranger",
            "compose", "compose_other", "copied", *OTHER_UNIT, unsaved={"incident_approved_plan": nothing},
            re_written={**CLEAR_GOOD, "incident_approved_plan": lasting(checked.plan())},
        )
        with hosts["frozen_elsewhere"].server.frozen():
            refused = hosts.play("--tags", "mitigate")
        yield Story(
            hosts=hosts, application=application, inside=inside, heir=heir, other=other, replica=replica, checked=checked, done=done,
            refused=refused, before=before, after_check=after_check, restarted_by_check=restarted, asked=asked,
            log_after_check=log_after_check, idle=idle, left=left,
        )


def spin(server: RedisServer) -> None:
    """Let a script run that never ends and writes nothing, behind all else on this machine, until the server says that it is busy."""
    os.setpriority(os.PRIO_PROCESS, server.pid, 19)
    server.execute("CONFIG", "SET", "busy-reply-threshold", "100")
    spinning = socket.create_connection(("127.0.0.1", server.port))
    spinning.sendall(b"EVAL 'while true do end' 0\r\n")
    spinning.close()

    def is_busy() -> bool:
        try:
            server.execute("PING")
        except redis.exceptions.ResponseError as exc:
            return "BUSY" in str(exc)
        return False

    until(is_busy, what="the script to be noticed")


def add_what_is_repaired(hosts: Caches, application: Application) -> None:
    """A host of each fault, and healthy ones."""
    hosts.add("healthy")
    hosts.add(
        "kept", redis_login_password=PASSWORD, evidence_snapshot=True, evidence_local=True, evidence_budget="120s",
        evidence_command_timeout="60s", evidence_skip=["open_files"], **CLEAR_GOOD,
    ).server.execute("CONFIG", "SET", "requirepass", PASSWORD)
    hosts.add("frozen", redis_accept_data_loss=True, redis_app_urls=[application.at("frozen")])
    hosts.add("not_accepted", **LOST)
    hosts.add("busy", redis_kill_script=True)
    hosts.add("unavailable", redis_app_urls=[application.at("unavailable", 503)], **CLEAR_GOOD, **LOST)
    hosts.add("down")
    fill_memory(hosts.add("full", redis_clear_pattern="page:*").server)
    for name, more in {
        "poisoned": {**CLEAR_BAD, "redis_app_urls": [application.at("poisoned")]}, "over": {**CLEAR_BAD, "redis_clear_max_keys": 299},
        "nothing_wrong": {"redis_clear_pattern": "bad:*"}, "re_written": CLEAR_BAD,
    }.items():
        fill(hosts.add(name, **more).server, "bad:", 300)
    earlier = [
        {"id": "1", "verb": "clear_pattern", "outcome": "unknown", "detail": {"removed": 60, "keys": 160}},
        {"id": "2", "verb": "clear_pattern", "outcome": "refused", "detail": {"why": "limit"}},
        {"id": "3", "verb": "save", "outcome": "done", "detail": {}},
    ]
    for name, most in (("tried_over", 159), ("tried", 160)):
        fill(hosts.add(name, incident_actions=earlier, redis_clear_max_keys=most, **CLEAR_BAD).server, "bad:", 100)
    add_clients(hosts)
    add_ways(hosts)


def add_clients(hosts: Caches) -> None:
    """A server with too many idle clients, and one whose application lets nobody in."""
    clients = hosts.add("clients", redis_raise_maxclients=40, redis_kill_max_victims=3).server
    clients.execute("CONFIG", "SET", "maxclients", "12")
    hosts.stack.enter_context(connections(clients, 11))
    until(lambda: all(seconds >= 1 for seconds in idle_seconds(clients)), what="them to be idle")

    taken = hosts.add("crowded_out").server
    taken.execute("CONFIG", "SET", "maxclients", "10")
    shop = hosts.add("app1", taken)
    first = shop.home / "first"
    shop.command(sys.executable, "-c", LEAK, str(taken.port), str(first))
    shop.adopt(0)
    shop.start()
    until(lambda: first.exists() and first.read_text(), what="the application to take every connection")


def add_full_disks(hosts: Caches) -> dict[str, Path]:
    """Servers that cannot save, and their directories."""
    program, inside = small_disk(hosts.site.place), {}
    for name in ("disk", "stale", "still_full", "unsaved"):
        server, inside[name] = hosts.stack.enter_context(full_disk(program))
        hosts.add(name, server, redis_data_directory=str(inside[name]))
    with pytest.raises(Exception, match="MISCONF"):
        hosts["disk"].server.execute("SET", "a", "b")
    hosts["disk"].own["redis_free_disk_command"] = ["rm", str(inside["disk"] / "other.log")]
    for name in ("still_full", "unsaved"):
        hosts[name].own.update(redis_restart="always", incident_rung_wait="0s")
    hosts["stale"].own["redis_remove_stale_rdb"] = True
    (inside["stale"] / "other.log").unlink()
    for name, age in (("temp-1.rdb", 7200), ("temp-2.rdb", 0), ("dump-old.rdb", 7200)):
        (inside["stale"] / name).write_text("x")
        os.utime(inside["stale"] / name, (os.stat(inside["stale"]).st_mtime - age,) * 2)
    return inside


def add_orphans(hosts: Caches) -> RedisServer:
    """Replicas whose primary died; the sibling that took over."""
    primary = hosts.server()
    heir = hosts.replica(primary)
    replicas = {name: hosts.replica(primary) for name in ("orphan", "orphan_alone", "orphan_of_a_stranger")}
    fill(primary, "kept:", 10)
    every = (heir, *replicas.values())
    until(lambda: all(one.execute("DBSIZE") == 10 for one in every), what="the data everywhere")
    primary.stop()
    heir.execute("REPLICAOF", "NO", "ONE")
    alone = [one for one in every if one is not heir]
    until(lambda: all(one.execute("INFO", "replication")["master_link_status"] == "down" for one in alone), what="the links to be down")
    named = {"orphan": heir.port, "orphan_of_a_stranger": hosts.server().port}
    for name, server in replicas.items():
        more = {"redis_repoint_primary_host": "127.0.0.1", "redis_repoint_primary_port": named[name]} if name in named else {}
        hosts.add(name, server, **more)
    return heir


def add_other_units(hosts: Caches) -> RedisServer:
    """The variables of four servers point to one, the name of the service to another, which is given back."""
    other = hosts.server()
    for name in OTHER_UNIT:
        hosts.add(name, redis_accept_data_loss=True, **RESTART).adopt(other.pid)
    hosts["by_another_way"].own["redis_via"] = "controller"
    hosts["down_elsewhere"].server.kill()
    return other


def add_compose(hosts: Caches) -> None:
    """The stand-in for Compose has one service, called nginx, in the container shop-redis."""
    for name, container in (("compose", "shop-redis"), ("compose_other", "shop-postgres")):
        hosts.add(
            name, redis_service_runtime="compose", redis_service_name="nginx", redis_via="container", redis_container_name=container,
            redis_container_network="shop_default", **RESTART,
        )
    (hosts["compose"].home / "one_off").write_text("what `docker compose run` has left is no second container of the service")


def add_ways(hosts: Caches) -> None:
    """A server behind each way that is not the host itself."""
    sshd = hosts.stack.enter_context(running())
    far = {**FAR, "redis_login_host": "127.0.0.1"}
    ways: dict[str, dict[str, Any]] = {
        "controller": far,
        "container": {"redis_container_name": "shop-redis", "redis_container_network": "shop_default"},
        "ssh_tunnel": {**far, "redis_ssh_destination": f"{sshd.user}@127.0.0.1", "redis_ssh_args": sshd.args},
        "kubernetes": {**far, "redis_kubernetes_target": "service/redis", "redis_kubernetes_namespace": "shop"},
    }
    for way, more in ways.items():
        fill(hosts.add(f"by_{way}", redis_via=way, **CLEAR_BAD, **more).server, "bad:", 5)


# The plays as a whole.

def test_a_check_changes_nothing(story: Story) -> None:
    assert story.after_check == story.before
    assert story.restarted_by_check == []
    assert story.log_after_check, "the command that frees the disk was not run"


def test_whose_run_fails(story: Story) -> None:
    assert (story.checked.status, story.checked.failed) == (2, {"crowded_out"}), story.checked.output
    assert (story.done.status, story.done.failed) == (2, {"not_accepted", "unavailable"}), story.done.output
    assert story.refused.status == 2 and story.refused.failed >= {"over"}, story.refused.output
    assert story.refused.failed & {"disk", "poisoned", "nothing_wrong", "tried", "orphan_alone", "compose"} == set(), story.refused.output


def test_the_records_verify(story: Story) -> None:
    for ended in (story.checked, story.done, story.refused):
        ended.assert_record_verifies()


# Healthy.

def test_a_healthy_cache_is_left_alone(story: Story) -> None:
    healthy = story.hosts["healthy"]
    assert planned(story.checked, "healthy") == []
    assert (verbs(story.done, "healthy"), healthy.restarts, count(healthy.server, "*")) == ([], 0, 20), story.done.output
    probed = [event for event in story.done.events("result") if event["host"] == "healthy" and event["status"] == "ok"
              and event["task"].endswith("Write, read, replicate and delete a probe key")]
    assert probed, "verify has written"


# Evidence.

def test_what_the_cache_knows_is_kept_before_it_is_cleared_and_its_password_is_not(story: Story) -> None:
    done = story.done
    assert verbs(done, "kept") == [("clear_pattern", "done")], done.output
    items = {item["name"]: item for item in done.index("kept", "item")}
    assert {items[f"redis_{name}"]["status"] for name in ("info", "clients", "slow_log", "memory")} == {"collected"}
    assert "db0:keys=20," in (done.run_dir / items["redis_info"]["path"]).read_text(), "as it was before"
    assert not [path for path in done.run_dir.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]


# Frozen, and down.

def test_a_frozen_server_is_not_restarted_unless_the_loss_is_accepted(story: Story) -> None:
    assert verbs(story.done, "not_accepted") == [("restart_cache", "refused")], story.done.output
    assert "does not answer" in error(story.done, "not_accepted", "restart_cache")
    assert story.hosts["not_accepted"].restarts == 0
    assert "Not recovered" in told(story.done, "not_accepted")


def test_a_frozen_server_is_restarted_when_the_loss_is_accepted(story: Story) -> None:
    assert planned(story.checked, "frozen") == ["restart_cache"]
    assert (verbs(story.done, "frozen"), story.hosts["frozen"].restarts) == ([("restart_cache", "done")], 1), story.done.output
    assert story.hosts["frozen"].server.execute("PING")
    assert "It costs: its process holds " in story.done.actions("frozen")[0]["reason"]
    asked = [paths.count("/frozen") for paths in story.asked]
    assert asked[1] == asked[0] + 3, "before, while the cache was gone, and afterwards"


def test_an_application_that_does_not_answer_meanwhile_is_a_failure(story: Story) -> None:
    assert verbs(story.done, "unavailable") == [("clear_pattern", "done")], story.done.output
    url = f"{story.application.url.rpartition('/')[0]}/unavailable"
    assert f"did not keep answering while the cache was gone: {url}" in told(story.done, "unavailable")
    observed = [event["finding"]["observed"] for event in story.done.events("finding")
                if event["host"] == "unavailable" and event["finding"]["check"] == "application"]
    assert observed and set(observed) == {503}


def test_a_server_that_is_down_is_started_again(story: Story) -> None:
    assert verbs(story.done, "down") == [("restart_cache", "done")], story.done.output
    assert "holds no data, so it starts empty" in story.done.actions("down")[0]["reason"]


@pytest.mark.parametrize("host", OTHER_UNIT)
def test_a_service_that_is_not_the_server_is_never_restarted(host: str, story: Story) -> None:
    assert verbs(story.refused, host) == [("restart_cache", "refused")], story.refused.output
    wanted = "only with redis_via=host (here: controller)" if host == "by_another_way" else f"the unit's process is {story.other.pid}"
    assert wanted in error(story.refused, host, "restart_cache")
    assert story.hosts[host].restarts == 0
    assert story.other.execute("PING")


def test_a_server_of_compose_is_restarted_when_its_container_is_the_service(story: Story) -> None:
    assert verbs(story.refused, "compose_other") == [("restart_cache", "refused")], story.refused.output
    assert "redis_container_name is the service's only container" in error(story.refused, "compose_other", "restart_cache")
    assert verbs(story.refused, "compose") == [("restart_cache", "done")], story.refused.output
    assert (story.hosts["compose_other"].restarts, story.hosts["compose"].restarts) == (0, 1)


def test_no_restart_where_replicas_would_copy_an_empty_server(story: Story) -> None:
    assert verbs(story.refused, "copied") == [("restart_cache", "refused")], story.refused.output
    assert "persistence is off and 1 replicas are attached" in error(story.refused, "copied", "restart_cache")
    assert (story.hosts["copied"].restarts, count(story.replica, "*")) == (0, 20)
    reason = story.refused.actions("copied")[-1]["reason"]
    assert "It costs: 20 keys are lost, since nothing saves them" in reason and "1 replica is emptied too" in reason


# A script that blocks the server.

def test_a_script_that_blocks_the_server_is_ended_where_that_is_switched_on(story: Story) -> None:
    assert verbs(story.done, "busy") == [("kill_script", "done")], story.done.output
    assert story.hosts["busy"].restarts == 0 and count(story.hosts["busy"].server, "*") == 20


# The disk.

def test_the_disk_is_freed_and_the_save_works_again(story: Story) -> None:
    server = story.hosts["disk"].server
    assert planned(story.checked, "disk") == ["free_disk", "save"]
    assert verbs(story.done, "disk") == [("free_disk", "done"), ("save", "done")], story.done.output
    assert server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "ok"
    assert count(server, "kept:*") == 2000
    assert verbs(story.refused, "disk") == [], "once more"


def test_a_save_on_a_disk_that_is_still_full_is_refused(story: Story) -> None:
    """It could only fail again, and what is measured of the disk is said."""
    assert sorted(verbs(story.refused, "still_full")) == [("restart_cache", "refused"), ("save", "refused")], story.refused.output
    assert "bytes free, and a dump may take" in error(story.refused, "still_full", "save")
    assert " changes since the last save are lost" in story.refused.actions("still_full")[-1]["reason"], "what its restart would cost"


def test_no_restart_where_changes_are_unsaved(story: Story) -> None:
    """What is not approved is refused, and the restart for what it would lose."""
    assert sorted(verbs(story.refused, "unsaved")) == [("restart_cache", "refused"), ("save", "refused")], story.refused.output
    assert "changes are unsaved and the last save failed" in error(story.refused, "unsaved", "restart_cache")
    assert story.hosts["unsaved"].restarts == story.hosts["still_full"].restarts == 0


def test_only_what_killed_saves_left_is_removed(story: Story) -> None:
    inside = story.inside["stale"]
    assert verbs(story.done, "stale") == [("remove_stale_rdb", "done"), ("save", "done")], story.done.output
    assert {"temp-2.rdb", "dump-old.rdb"} <= {path.name for path in inside.iterdir()}
    assert not (inside / "temp-1.rdb").exists()


# Keys.

def test_a_poisoned_pattern_is_cleared_as_approved(story: Story) -> None:
    server = story.hosts["poisoned"].server
    assert [action["detail"]["keys"] for action in story.checked.plan()["actions"]["poisoned"]] == [300]
    assert verbs(story.done, "poisoned") == [("clear_pattern", "done")], story.done.output
    assert (count(server, "bad:*"), count(server, "good:*")) == (0, 20)
    assert verbs(story.refused, "poisoned") == [("clear_pattern", "not_needed")], story.refused.output
    assert story.refused.recap("poisoned")["changed"] == 0


def test_nothing_is_cleared_where_nothing_is_wrong(story: Story) -> None:
    assert (verbs(story.refused, "nothing_wrong"), count(story.hosts["nothing_wrong"].server, "bad:*")) == ([], 300)


def test_no_more_keys_are_cleared_than_the_limit(story: Story) -> None:
    assert verbs(story.refused, "over") == [("clear_pattern", "refused")], story.refused.output
    assert count(story.hosts["over"].server, "bad:*") == 300


def test_another_pattern_than_the_approved_one_is_not_cleared(story: Story) -> None:
    assert planned(story.checked, "re_written") == ["clear_pattern"]
    assert verbs(story.refused, "re_written") == [("clear_pattern", "refused"), ("clear_pattern", "moved_on")], story.refused.output
    assert count(story.hosts["re_written"].server, "*") == 320


def test_what_earlier_tries_cleared_counts(story: Story) -> None:
    """60 by then, and 100 keys are left."""
    left = [count(story.hosts[name].server, "bad:*") for name in ("tried_over", "tried")]
    assert (verbs(story.refused, "tried_over"), left[0]) == ([("clear_pattern", "refused")], 100), story.refused.output
    assert (verbs(story.refused, "tried"), left[1]) == ([("clear_pattern", "done")], 0), story.refused.output


def test_a_full_memory_is_cleared_by_the_pattern_of_the_inventory(story: Story) -> None:
    server = story.hosts["full"].server
    assert verbs(story.done, "full") == [("clear_pattern", "done")], story.done.output
    assert (count(server, "page:*"), count(server, "good:*")) == (0, 20)


# Clients.

def test_room_is_made_for_clients(story: Story) -> None:
    assert planned(story.checked, "clients") == ["raise_maxclients"] + ["kill_client"] * 3
    assert verbs(story.done, "clients") == [("raise_maxclients", "done")] + [("kill_client", "gone")] * 3, story.done.output
    raised = story.done.actions("clients")[0]["detail"]
    assert (raised["before"], raised["after"], story.idle) == (12, 40, [11, 8])


def test_a_reading_of_clients_is_in_no_plan_and_in_the_record(story: Story) -> None:
    for ended in (story.checked, story.done):
        seen = [event for event in ended.events() if event.get("host") == "clients" and '"complete"' in json.dumps(event)]
        assert seen and {event["type"] for event in seen} == {"result"}, "a reading is in no fact or argument"
        assert '"complete"' not in json.dumps(story.checked.plan()["actions"]["clients"]), "nor in a plan"
        assert '"complete"' not in ended.output and "'complete'" not in ended.output, "nor on the screen"
        decided = [of_event(event).actions for event in seen if event["action"] == "oncall.incident.redis_client_kill"]
        assert [list((one or {}).values()).count("planned") for one in decided] == [3], "and it is decided again from the record"


def test_nobody_gets_in_any_more_so_the_application_is_restarted(story: Story) -> None:
    """The cache's own unit is left alone."""
    assert "set service_name for the hosts of incident_app" in story.checked.said
    assert verbs(story.done, "crowded_out") == [], story.done.output
    assert verbs(story.done, "app1") == [("restart_service", "done")], story.done.output
    assert (story.hosts["crowded_out"].restarts, story.hosts["app1"].restarts) == (0, 1)


# Ways.

@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_the_server(way: str, story: Story) -> None:
    server = story.hosts[way].server
    assert verbs(story.done, way) == [("clear_pattern", "done")], story.done.output
    assert (count(server, "bad:*"), count(server, "good:*")) == (0, 20)


def test_tunnels_are_closed(story: Story) -> None:
    assert story.left == []


# The orphan.

def test_an_orphan_is_re_pointed_only_when_its_primary_is_named(story: Story) -> None:
    server = story.hosts["orphan"].server
    assert verbs(story.refused, "orphan_alone") == [], story.refused.output
    assert "set redis_repoint_primary_host" in told(story.refused, "orphan_alone")
    assert verbs(story.refused, "orphan_of_a_stranger") == [("repoint_replica", "refused")], story.refused.output
    assert planned(story.checked, "orphan") == ["repoint_replica"]
    assert verbs(story.done, "orphan") == [("repoint_replica", "done")], story.done.output
    assert server.execute("INFO", "replication")["master_port"] == story.heir.port
    assert count(server, "kept:*") == 10
