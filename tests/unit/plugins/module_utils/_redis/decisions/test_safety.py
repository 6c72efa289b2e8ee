# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.safety import (
    UNSEEN,
    Replication,
    RestartView,
    descriptor_obstacle,
    repoint_obstacles,
    restart_cost,
    restart_obstacles,
    view_from,
)

SAFE = RestartView(role="master", changes=0, save_ok=True, saves=True, aof=False, aof_ok=True, replicas=0, keys=10)


#: Nothing is saved, and what it holds is not on disk.
MEMORY = RestartView(
    role="master", changes=9, save_ok=True, saves=False, aof=False, aof_ok=True, replicas=0, keys=10, saved=False, no_cache=("3 lists",),
)


def memory(**changes: object) -> RestartView:
    return dataclasses.replace(MEMORY, **changes)  # type: ignore[arg-type]


def but(**changes: object) -> RestartView:
    return dataclasses.replace(SAFE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("view", [
    SAFE, but(changes=5), but(changes=5, save_ok=False, aof=True), but(replicas=2), but(saves=False, saved=True),
    but(saves=False, replicas=2, aof=True), but(save_ok=False), but(role="slave", link_up=True, changes=5, save_ok=False),
    but(changes=None, aof=True), memory(no_cache=()), memory(keys=0),
    memory(role="slave", link_up=True), memory(aof=True), memory(saves=None, no_cache=()),
])
def test_a_restart_that_loses_nothing(view: RestartView) -> None:
    assert restart_obstacles(view) == []


@pytest.mark.parametrize(("view", "said"), [
    (but(changes=5, save_ok=False), "5 changes are unsaved and the last save failed"),
    (but(changes=5, save_ok=False, aof=True, aof_ok=False), "unsaved"),
    (but(changes=5, aof=True, aof_ok=False, saves=False), "append-only file cannot be written"),
    (but(role="slave", link_up=False, changes=5, save_ok=False), "unsaved"),
    (but(changes=None), "whether changes are unsaved cannot be seen"),
    (but(changes=5, save_ok=None), "whether the last save worked cannot be seen"),
    (memory(), "nothing saves 10 keys to disk, and they are not shown to be a cache: 3 lists"),
    (memory(changes=0), "nothing saves 10 keys"),
    (memory(no_cache=None), "not shown to be a cache: nobody looked"),
    (memory(role="slave", link_up=False), "nothing saves 10 keys"),
    (memory(saves=None), "whether 10 keys are kept on disk cannot be seen"),
    (memory(keys=None), "whether its keys are kept on disk cannot be seen"),
    (but(saves=False, replicas=2), "persistence is off and 2 replicas are attached"),
    (but(saves=None, replicas=1), "keeps anything on disk cannot be seen"),
    (but(saves=False, aof=None, replicas=1), "cannot be seen"),
    (but(replicas=None), "whether replicas are attached cannot be seen"),
    (UNSEEN, "the server does not answer"),
])
def test_a_restart_that_would(view: RestartView, said: str) -> None:
    against = restart_obstacles(view)
    assert said in " ".join(one.text for one in against)
    assert all(one.seen is ("cannot be seen" not in one.text) for one in against)
    assert restart_obstacles(view, accept_data_loss=True) == []


@pytest.mark.parametrize(("view", "cost"), [
    (SAFE, ""), (but(changes=5), ""), (but(clients=1), ""),
    (but(changes=5, save_ok=False), "5 changes since the last save are lost"),
    (but(role="slave", link_up=True, changes=5, save_ok=False), ""),
    (memory(), "10 keys are lost, since nothing saves them"), (memory(no_cache=()), "10 keys are lost, since nothing saves them"),
    (memory(saves=None), "10 keys may be lost"), (memory(role="slave", link_up=True, replicas=1), "1 replica is emptied too"),
    (but(clients=2), "1 other client is cut off"),
    (but(clients=13, replicas=2, used=900), "12 other clients are cut off, 2 replicas may need a full copy of 900 bytes"),
    (memory(replicas=2, clients=4),
     "10 keys are lost, since nothing saves them, 3 other clients are cut off, 2 replicas are emptied too"),
])
def test_what_a_restart_costs_is_told_also_where_it_is_accepted(view: RestartView, cost: str) -> None:
    assert restart_cost(view) == cost


def test_the_view_by_field_name() -> None:
    info = {
        "role": "master", "rdb_changes_since_last_save": "7", "rdb_last_bgsave_status": "err", "aof_enabled": "0",
        "aof_last_write_status": "ok", "connected_slaves": "1", "db0": "keys=3,expires=0,avg_ttl=0", "db7": "keys=4,expires=1",
    }
    assert view_from(info, save="3600 1 300 100") == RestartView(
        role="master", changes=7, save_ok=False, saves=True, aof=False, aof_ok=True, replicas=1, keys=7, saved=False,
    )
    assert view_from(info, save="").saves is False
    assert view_from(info, save=None).saves is None
    assert view_from({"role": "slave", "master_link_status": "down"}, save="").link_up is False
    assert view_from({}, save=None) == UNSEEN


WRITTEN = {"rdb_saves": "1", "rdb_bgsave_in_progress": "0", "rdb_last_bgsave_status": "ok"}


@pytest.mark.parametrize(("more", "saved"), [
    (WRITTEN, True), ({**WRITTEN, "rdb_changes_since_last_save": "2"}, False), ({**WRITTEN, "rdb_saves": "0"}, False),
    ({**WRITTEN, "rdb_bgsave_in_progress": "1"}, False), ({**WRITTEN, "rdb_last_bgsave_status": "err"}, False),
    ({"rdb_last_load_keys_loaded": "7", "second_repl_offset": "-1"}, True),
    ({"rdb_last_load_keys_loaded": "3", "second_repl_offset": "-1"}, False),
    ({"rdb_last_load_keys_loaded": "7", "second_repl_offset": "55"}, False),
    ({}, False),
])
def test_what_is_in_its_file_already(more: dict[str, str], saved: bool) -> None:
    assert view_from({"role": "master", "rdb_changes_since_last_save": "0", "db0": "keys=7,expires=0", **more}, save="").saved is saved


ORPHAN = Replication(server="r", role="slave", primary="a:1", replid="A", offset=100, keys=5, cluster=False, sentinel=False)
HEIR = Replication(server="p", role="master", replid="B", replid2="A", second_offset=150, offset=900, keys=5, cluster=False, sentinel=False)


def test_the_one_that_took_over() -> None:
    assert repoint_obstacles(ORPHAN, HEIR) == []
    assert repoint_obstacles(ORPHAN, dataclasses.replace(HEIR, replid="A", replid2="", second_offset=-1)) == []
    assert repoint_obstacles(dataclasses.replace(ORPHAN, replid="Z", keys=0), HEIR) == [], "it has nothing to lose"


@pytest.mark.parametrize(("mine", "theirs", "said"), [
    ({"offset": 151}, {}, "further (151) than where the named server took over (150)"),
    ({"offset": 901}, {"replid": "A"}, "further (901)"),
    ({"replid": "Z"}, {}, "another history"),
    ({"replid": ""}, {"replid": ""}, "another history"),
    ({"role": "master"}, {}, "not a replica"),
    ({"link_up": True}, {}, "it has its primary a:1"),
    ({}, {"role": "slave"}, "a replica itself"),
    ({}, {"server": "r"}, "itself"),
    ({"sentinel": True}, {}, "Sentinel manages it"),
    ({}, {"sentinel": True}, "Sentinel manages the named server"),
    ({"cluster": True}, {}, "Cluster manages it"),
    ({"sentinel": None}, {}, "cannot be seen"),
    ({}, {"cluster": None}, "cannot be seen"),
    ({"keys": None, "replid": "Z"}, {}, "another history"),
])
def test_those_that_did_not(mine: dict[str, object], theirs: dict[str, object], said: str) -> None:
    found = repoint_obstacles(dataclasses.replace(ORPHAN, **mine), dataclasses.replace(HEIR, **theirs))  # type: ignore[arg-type]
    assert said in " ".join(found)


@pytest.mark.parametrize(("wanted", "hard", "privileged", "fits"), [
    (1000, 1032, False, True), (1001, 1032, False, False), (1001, 1032, True, True), (99999, None, False, True),
])
def test_descriptors(wanted: int, hard: int | None, privileged: bool, fits: bool) -> None:
    assert (descriptor_obstacle(wanted, hard_limit=hard, privileged=privileged) == "") is fits
