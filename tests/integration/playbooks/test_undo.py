# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident undo` and `in-force` against real targets: what a run raised holds its incident open until it is measured to be gone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need
from tests.support.redis_acting import connections
from tests.support.redis_servers import SOURCES, RedisServer, find_binary
from tests.support.site import Ended, Site
from tests.support.units import Units

from .conftest import QUICK as COMMON

pytestmark = pytest.mark.timeout(2400)
QUICK: dict[str, Any] = {
    "redis_connect_timeout": "2s", "redis_socket_timeout": "2s", "redis_max_seconds": "20s", "redis_connect_retry": "1s",
    "redis_verify_hold": "500ms", "redis_verify_timeout": "10s", "redis_probe": False,
}


class UndoSite(Site):
    """Caches, one home for all calls."""

    def __init__(self, place: Path, caches: Mapping[str, RedisServer]) -> None:
        super().__init__(place, playbook="redis-recovery", common=COMMON)
        self.caches = dict(caches)
        self.home = {"INCIDENT_HOME": str(place / "home")}
        self.group("app", app1={})
        self.serve()

    def serve(self, *, without: str = "", blind: str = "") -> None:
        """The inventory: all caches, without one, and with one that cannot be reached."""
        ports = {name: 1 if name == blind else server.port for name, server in self.caches.items() if name != without}
        self.group("cache", **{name: {**QUICK, "redis_login_port": port} for name, port in ports.items()})

    def maxclients(self, *names: str) -> list[str]:
        """The setting of these caches."""
        return [str(self.caches[name].execute("CONFIG", "GET", "maxclients")["maxclients"]) for name in names]

    def command_of(self, *words: str) -> Ended:
        """A command of `incident`."""
        return self.call([self.python, "-m", "oncall_incident", *words], **self.home)

    def with_inventory(self, *words: str) -> Ended:
        """One that starts Ansible."""
        return self.command_of(*words, "-i", str(self.inventory()))


@dataclass
class Story:
    """An incident in which five caches were raised, and all that was done about it, in this order.

    Attributes:
        states: of each cache's change by the end of a step.
        maxclients: the setting of `back`, `blind` and `left` by then.
    """

    refs: dict[str, str] = field(default_factory=dict)
    said: dict[str, Ended] = field(default_factory=dict)
    states: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    maxclients: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Some changes are taken back, one was changed by somebody since, one cannot be looked at for a while, one is left."""
    binary = find_binary("valkey") or find_binary("redis")
    need(binary, SOURCES["valkey"])
    with ExitStack() as stack:
        caches = {name: stack.enter_context(RedisServer.start(binary)) for name in ("back", "blind", "left", "put_back", "set_since")}
        site, told = UndoSite(tmp_path_factory.mktemp("undo"), caches), Story()
        with ExitStack() as full:
            for server in caches.values():
                server.execute("CONFIG", "SET", "maxclients", "12")
                full.enter_context(connections(server, 11))
            raising = json.dumps({"redis_raise_maxclients": 40})
            told.said["raised"] = site.with_inventory("run", "redis-recovery", "--yes", "--json", "-e", raising)
        incident = str(told.said["raised"].data.get("incident"))

        def step(name: str, done: Ended) -> None:
            rows = site.command_of("status", incident, "--json").data["changes"]
            told.said[name], told.states[name] = done, {row["host"]: row for row in rows}
            told.maxclients[name] = site.maxclients("back", "blind", "left")

        def close(*words: str) -> Ended:
            return site.command_of("close", incident, *words, "--sign-key", "none")

        step("shown", site.command_of("status", incident))
        told.refs = {host: row["ref"] for host, row in told.states["shown"].items()}
        step("closed early", close("-m", "It was full."))
        step("resolved early", site.command_of("milestone", incident, "resolved"))

        caches["put_back"].execute("CONFIG", "SET", "maxclients", "12")
        step("looked", site.with_inventory("in-force", "--json", "--limit", "back,put_back"))
        site.serve(without="left", blind="blind")
        step("looked blindly", site.with_inventory("in-force"))
        site.serve()

        caches["set_since"].execute("CONFIG", "SET", "maxclients", "50")
        step("planned", site.with_inventory("undo", incident, told.refs["back"], "--check", "--json"))
        step("set since", site.with_inventory("undo", incident, told.refs["set_since"], "--yes", "--json"))
        site.serve(blind="blind")
        step("blind", site.with_inventory("undo", incident, told.refs["blind"], "--yes", "--json"))
        site.serve()
        step("closed blindly", close("-m", "It was full."))
        step("undone", site.with_inventory("undo", incident, told.refs["back"], told.refs["blind"], "--yes", "--json"))

        step("left without a reason", close("--leave", told.refs["left"]))
        step("left", close("--leave", told.refs["left"], "--why", "The new size is right."))
        step("state", site.command_of("status", incident, "--json"))
        step("report", site.command_of("report", incident, "--format", "markdown", "-o", "-"))
        told.maxclients["set since"] = site.maxclients("set_since")
        yield told


def test_what_was_raised_holds_the_incident_open(story: Story) -> None:
    raised = story.said["raised"]
    assert raised.status == 0, raised.output
    assert any("cannot be closed" in note for note in raised.data["incident_notes"]), raised.output
    assert "nobody will undo it" in raised.said
    assert story.maxclients["shown"] == ["40"] * 3
    for host, change in story.states["shown"].items():
        assert (change["state"], change["verb"]) == ("in_force", "raise_maxclients")
        assert f"change {change['ref']} {host} raise maxclients" in story.said["shown"].said
    assert len(story.refs) == 5 and "in force, nobody will undo it" in story.said["shown"].said
    refused = story.said["closed early"]
    assert refused.status == 2
    assert story.refs["back"] in refused.output and "incident undo" in refused.output and "nobody will undo it" in refused.said
    assert story.said["resolved early"].status == 2


def test_what_is_in_force_is_read_from_the_targets(story: Story) -> None:
    seen = story.said["looked"]
    assert seen.status == 0, seen.output
    assert {row["host"]: row["found"] for row in seen.data["changes"]} == {
        "back": "in_force", "put_back": "gone", "blind": "not_asked", "left": "not_asked", "set_since": "not_asked",
    }
    assert {row["ref"] for row in seen.data["changes"]} == set(story.refs.values())
    assert {row["incident"] for row in seen.data["changes"]} == {story.said["raised"].data["incident"]}
    before, after = (story.states[step]["back"] for step in ("shown", "looked"))
    assert after["state"] == "in_force" and after["seen"] > before["seen"]
    assert story.states["looked"]["put_back"]["state"] == "gone"


def test_what_could_not_be_looked_at_is_unknown(story: Story) -> None:
    seen, incident = story.said["looked blindly"], story.said["raised"].data["incident"]
    assert seen.status == 3, seen.output
    assert f"unknown {incident} {story.refs['blind']} blind" in seen.said
    assert re.search(rf"{story.refs['left']} left [^:]*: the inventory has no such host", seen.said), seen.output
    assert f"in force {incident} {story.refs['back']} back" in seen.said


def test_only_looking_takes_nothing_back(story: Story) -> None:
    looked = story.said["planned"]
    assert (looked.status, looked.data["outcome"], story.maxclients["planned"]) == (0, "planned", ["40"] * 3), looked.output


def test_what_was_raised_is_taken_back(story: Story) -> None:
    undone = story.said["undone"]
    assert (undone.status, undone.data["outcome"], story.maxclients["undone"]) == (0, "recovered", ["12", "12", "40"]), undone.output
    assert [(action["verb"], action["outcome"]) for action in undone.data["actions"]] == [("restore_maxclients", "done")] * 2
    for host in ("back", "blind"):
        change = story.states["undone"][host]
        assert (change["state"], change["undone"]) == ("gone", True)


def test_a_value_that_somebody_has_set_since_is_left_alone_and_the_change_is_gone(story: Story) -> None:
    looked = story.said["set since"]
    assert (looked.status, story.maxclients["set since"]) == (5, ["50"]), looked.output
    change = story.states["set since"]["set_since"]
    assert (change["state"], change["undone"]) == ("gone", False)


def test_a_server_that_cannot_be_looked_at_is_not_called_undone(story: Story) -> None:
    failed = story.said["blind"]
    assert failed.status not in (0, 5), failed.output
    assert story.states["blind"]["blind"]["state"] != "gone"
    refused = story.said["closed blindly"]
    assert refused.status == 2 and story.refs["blind"] in refused.output, refused.output


def test_a_change_is_left_only_with_a_reason_and_the_report_says_so(story: Story) -> None:
    assert story.said["left without a reason"].status == 2
    assert story.said["left"].status == 0, story.said["left"].output
    state = story.said["state"].data
    assert (state["status"], state["left"]) == ("closed", {story.refs["left"]: "The new size is right."})
    said = story.said["report"].stdout
    assert "## Temporary changes" in said and "nobody will undo it" in said and "The new size is right." in said


class PoolSite(Site):
    """Applications whose pools are in files, and a scenario that only raises them."""

    def __init__(self, place: Path, **hosts: Mapping[str, Any]) -> None:
        super().__init__(place, common=COMMON)
        self.home = {"INCIDENT_HOME": str(place / "home")}
        self.files = {name: place / f"{name}.env" for name in hosts}
        for file in self.files.values():
            file.write_text("PORT=1\nPOOL=5\n")
        self.own = hosts
        self.serve()

        def role(name: str, entry: str) -> dict[str, Any]:
            return {"ansible.builtin.import_role": {"name": f"oncall.incident.{name}", "tasks_from": entry}}

        (place / "raise-pool.yml").write_text(json.dumps([
            {"name": "Mitigate", "hosts": "app", "gather_facts": False, "tags": ["mitigate"],
             "tasks": [role("service", "help"), role("incident", "publish")]},
        ]))

    def serve(self, **files: Path) -> None:
        """The inventory, where some have their pool in another file."""
        self.group("app", **{
            name: {"service_pool_file": str(files.get(name, file)), "service_pool_key": "POOL", "service_pool_limit": 100, **self.own[name]}
            for name, file in self.files.items()
        })

    def pool(self, name: str) -> str:
        """The line of the file."""
        return self.files[name].read_text().partition("PORT=1\n")[2].strip()

    def with_inventory(self, *words: str, **environ: str) -> Ended:
        """A command of `incident` that starts Ansible."""
        return self.command_of(*words, "-i", str(self.inventory()), "--json", **environ)

    def command_of(self, *words: str, **environ: str) -> Ended:
        """A command of `incident`."""
        return self.call([self.python, "-m", "oncall_incident", *words], **{**self.home, **environ})

    def raised(self, size: int, *words: str, **environ: str) -> Ended:
        """Raise the pools."""
        return self.with_inventory("run", str(self.place / "raise-pool.yml"), "--yes", *words, "-e",
                                   json.dumps({"service_pool_size": size}), **environ)

    def changes(self, incident: str) -> dict[str, list[dict[str, Any]]]:
        """The changes of each host, in their order."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in self.files}
        for row in self.command_of("status", incident, "--json").data["changes"]:
            found[row["host"]].append(row)
        return found


@dataclass
class Pools:
    """An incident in which pools were raised, and all that was done about it, in this order.

    Attributes:
        said, changes, pools, units: what was said, the changes, the pools and the unit files, by the end of each step.
    """

    stray: str = "oncall-incident-undo-0123456789ab"
    said: dict[str, Ended] = field(default_factory=dict)
    changes: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    pools: dict[str, dict[str, str]] = field(default_factory=dict)
    units: dict[str, list[str]] = field(default_factory=dict)

    def unit(self, host: str) -> str:
        """The unit that takes a host's first change back."""
        return str(self.changes["raised"][host][0]["temporary"]["armed_as"])

    def states(self, step: str, host: str) -> list[str]:
        """The states of a host's changes."""
        return [row["state"] for row in self.changes[step][host]]


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pools]:
    """Two pools for a while, one that is raised twice, and one that is in another file later."""
    place = tmp_path_factory.mktemp("pools")
    units, told = Units(place), Pools()
    site = PoolSite(place, by_hand={"service_pool_expires": "1h"}, by_timer={"service_pool_expires": "1h"}, twice={}, moved={})
    site.prefix = units.prefix
    site.home |= {**units.environ, "INCIDENT_PASS_ENV": "UNITS_DOUBLE", "PATH": f"{units.environ['PATH']}:{site.bin}"}
    incident = ""

    def step(name: str, done: Ended) -> None:
        told.said[name], told.units[name] = done, units.names()
        told.changes[name], told.pools[name] = site.changes(incident), {host: site.pool(host) for host in site.files}

    first = site.raised(12)
    incident = str(first.data.get("incident"))
    step("raised", first)
    (units.files / f"{told.stray}.timer").write_text("[Timer]\n")
    step("looked", site.with_inventory("in-force", "--limit", "by_hand"))
    (units.files / f"{told.stray}.timer").unlink()
    step("raised again", site.raised(20, "--incident", incident, "--limit", "twice,by_hand"))

    refs = {host: [row["ref"] for row in rows] for host, rows in told.changes["raised again"].items()}
    other = place / "other.env"
    other.write_text("POOL=5\n")
    site.serve(moved=other)
    step("undone", site.with_inventory("undo", incident, *refs["twice"], *refs["by_hand"], *refs["moved"], "--yes"))
    site.serve()
    step("undone twice", site.with_inventory("undo", incident, refs["twice"][0], "--yes"))

    assert units.fire().returncode == 0
    site.files["moved"].write_text("PORT=1\nPOOL=5\n")
    step("all gone", site.with_inventory("in-force"))
    step("nothing left", site.with_inventory("undo", incident))
    step("closed", site.command_of("close", incident, "-m", "It was full.", "--sign-key", "none"))
    step("looked afterwards", site.with_inventory("in-force"))
    yield told


def test_pools_that_were_raised_twice_are_taken_back_in_turn(pools: Pools) -> None:
    assert [pools.pools[step]["twice"] for step in ("raised", "raised again")] == ["POOL=12", "POOL=20"], pools.said["raised"].output
    rows = pools.changes["raised again"]["twice"]
    assert [(one["state"], one["temporary"]["undo"]["before"]) for one in rows] == [("in_force", 5), ("in_force", 12)]
    once, twice = pools.said["undone"], pools.said["undone twice"]
    assert pools.pools["undone"]["twice"] == "POOL=12", once.output
    assert once.data["outcome"] == "not_recovered", "the first change is in force again"
    assert pools.states("undone", "twice") == ["in_force", "gone"]
    # The file is as before, and the application is not until somebody restarts it.
    assert (twice.status, pools.pools["undone twice"]["twice"]) == (3, "POOL=5"), twice.output
    assert "keeps it until it is restarted" in twice.said
    assert pools.states("undone twice", "twice") == ["gone", "gone"]


def test_a_pool_that_is_in_another_file_now_is_not_called_gone(pools: Pools) -> None:
    assert pools.said["undone"].status == 3, pools.said["undone"].output
    assert (pools.states("undone", "moved"), pools.pools["undone"]["moved"]) == (["not_known"], "POOL=12")


def test_a_pool_for_a_while_says_when_it_ends_and_is_seen_in_force(pools: Pools) -> None:
    done, seen = pools.said["raised"], pools.said["looked"]
    assert (pools.pools["raised"]["by_hand"], "it ends after 1h by its timer" in done.said) == ("POOL=12", True), done.output
    (change,) = pools.changes["raised"]["by_hand"]
    assert f"{pools.unit('by_hand')}.timer" in pools.units["raised"] and "by its timer" in change["said"]
    assert seen.status == 0, seen.output
    assert {row["host"]: row["found"] for row in seen.data["changes"]}["by_hand"] == "in_force"
    # To this host, which has the other one's directory, its unit is as strange.
    strange = [pools.stray, pools.unit("by_timer")]
    assert sorted(seen.data["units"], key=str) == [{"host": "by_hand", "unit": unit} for unit in sorted(strange)], "its own is known"


def test_a_pool_for_a_while_is_not_raised_further(pools: Pools) -> None:
    further = pools.said["raised again"]
    assert pools.pools["raised again"]["by_hand"] == "POOL=12" and "takes back an earlier change" in further.said, further.output


def test_a_pool_for_a_while_is_taken_back_by_hand(pools: Pools) -> None:
    undone = pools.said["undone"]
    assert (undone.status, pools.pools["undone"]["by_hand"]) == (3, "POOL=5"), undone.output
    assert pools.units["undone"] and {name.partition(".")[0] for name in pools.units["undone"]} == {pools.unit("by_timer")}
    assert pools.states("undone", "by_hand") == ["gone"]


def test_a_pool_for_a_while_is_taken_back_by_its_unit(pools: Pools) -> None:
    assert pools.pools["undone twice"]["by_timer"] == "POOL=12"
    assert (pools.pools["all gone"]["by_timer"], pools.units["all gone"]) == ("POOL=5", [])


def test_an_incident_is_closed_when_its_changes_are_gone(pools: Pools) -> None:
    gone = pools.said["all gone"]
    assert (gone.status, {row["found"] for row in gone.data["changes"]}) == (0, {"gone"}), gone.output
    assert pools.said["nothing left"].status == 5, pools.said["nothing left"].output
    assert pools.said["closed"].status == 0, pools.said["closed"].output
    assert pools.said["looked afterwards"].data["changes"] == []


def test_a_pool_is_not_raised_for_a_while_where_nothing_can_take_it_back(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\necho offline\nexit 1\n")
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    site = PoolSite(tmp_path, app1={"service_pool_expires": "1h"})
    done = site.raised(12, PATH=f"{tmp_path / 'bin'}:{site.bin}:/usr/bin:/bin")
    assert site.pool("app1") == "POOL=5"
    assert "systemd: offline" in done.said and "Nothing was changed" in done.said, done.output
