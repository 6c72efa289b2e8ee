# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario maintenance-mode with `incident`: on, on already, taken off, taken back, ended by its unit; with silences; measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.alertmanager import Alertmanager, alertmanager
from tests.support.maintenance import SECRET, Application, Shop, application, shop
from tests.support.site import Ended, Site
from tests.support.units import Units

from .conftest import QUICK as COMMON

pytestmark = pytest.mark.timeout(2400)
FIRING = {"alertname": "ShopDown", "service": "shop"}


class MaintenanceSite(Site):
    """web1 is a shop behind NGINX, web2 one feature of it, app1 an application with an API; one home, unit files of its own."""

    def __init__(self, place: Path, one: Shop, app: Application, server: Alertmanager) -> None:
        super().__init__(place, playbook="maintenance-mode", common=COMMON)
        self.units, self.shop, self.app, self.server = Units(place), one, app, server
        self.prefix = self.units.prefix
        self.home = {
            "INCIDENT_HOME": str(place / "home"), **self.units.environ, "INCIDENT_PASS_ENV": "UNITS_DOUBLE",
            "PATH": f"{self.units.environ['PATH']}:{self.bin}",
        }
        self.serve()

    def serve(self, **more: Any) -> None:
        """The inventory; `more` are variables of app1."""
        # A third of the time is a module's own, to start on a busy machine.
        quick = {"maintenance_timeout": "20s", "maintenance_verify_hold": "500ms", "maintenance_verify_timeout": "10s"}
        shop, app, health = self.shop.settings(), self.app.settings(), [{"url": f"{self.shop.url}/health"}]
        checkout = {**shop["maintenance_scopes"]["checkout"], "health": health}
        self.group(
            "app",
            web1={**shop, **quick, "maintenance_name": "shop", "maintenance_alertmanager": self.server.url,
                  "maintenance_silence_matchers": [{"name": "service", "value": "shop"}], "maintenance_silence_max": 1},
            web2={**shop, **quick, "maintenance_scope": "checkout", "maintenance_scopes": {"checkout": checkout}},
            app1={**app, **quick, "maintenance_name": "api", "maintenance_note": str(self.place / "note"),
                  "maintenance_api_header": f"X-Admin-Token: {SECRET}", **more},
        )

    def with_inventory(self, *words: str, user: str = "ann") -> Ended:
        """A command of `incident` that starts Ansible."""
        return self.command_of(*words, "-i", str(self.inventory()), "--json", USER=user)

    def command_of(self, *words: str, **environ: str) -> Ended:
        """A command of `incident`."""
        return self.call([self.python, "-m", "oncall_incident", *words], **{**self.home, **environ})

    def changes(self, incident: str) -> dict[str, dict[str, Any]]:
        """The changes of an incident, by their verbs and hosts."""
        rows = self.command_of("status", incident, "--json").data["changes"]
        return {f"{row['verb']} {row['host']}": row for row in rows}


@dataclass
class World:
    """What there is by the end of a step."""

    flag: bool
    checkout: bool
    api: bool
    calls: int
    silences: int
    units: list[str]


@dataclass
class Story:
    """What was done, in this order, and what was there by then."""

    said: dict[str, Ended] = field(default_factory=dict)
    world: dict[str, World] = field(default_factory=dict)
    changes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    everything: str = ""

    def state(self, step: str, change: str) -> str:
        """Of a change by the end of a step."""
        return str(self.changes[step][change]["state"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    place = tmp_path_factory.mktemp("maintenance")
    with ExitStack() as stack:
        one, app = stack.enter_context(shop(place / "shop")), stack.enter_context(application())
        server = stack.enter_context(alertmanager())
        site, told, incident = MaintenanceSite(place, one, app, server), Story(), ""
        server.fire(FIRING)

        def step(name: str, done: Ended) -> Ended:
            told.said[name] = done
            told.world[name] = World(
                one.flag.exists(), one.checkout.exists(), app.on, len(app.calls), len(server.silences()), site.units.names())
            if incident:
                told.changes[name] = site.changes(incident)
            return done

        step("checked", site.with_inventory("run", "maintenance-mode", "--check"))
        done = site.with_inventory("run", "maintenance-mode", "--yes")
        incident = str(done.data.get("incident"))
        step("on", done)
        step("closed early", site.command_of("close", incident, "-m", "Done.", "--sign-key", "none"))

        # Somebody else: on again, and off of the API's.
        site.serve(maintenance_state="off")
        step("by another", site.with_inventory("run", "maintenance-mode", "--check", "--limit", "web1,app1", user="bob"))
        site.serve()

        fired = site.units.fire_one(str(told.changes["on"]["maintenance_on web2"]["temporary"]["armed_as"]))
        step("fired", Ended(fired.returncode, fired.stdout, fired.stderr, place))

        app.lazy = True
        step("off", site.with_inventory(
            "run", "maintenance-mode", "--yes", "--incident", incident, "-e", "maintenance_state=off", "--limit", "web1,app1"))
        app.lazy = False
        step("undone", site.with_inventory("undo", incident, "--yes"))
        step("closed", site.command_of("close", incident, "-m", "Done.", "--sign-key", "none"))
        told.everything = "".join(
            path.read_text(errors="replace") for path in place.rglob("*") if path.is_file() and path.name != "hosts.json")
        yield told


def outcomes(done: Ended) -> dict[str, str]:
    """The outcome of each action, by its verb and host."""
    return {f"{one['verb']} {one['host']}": one["outcome"] for one in done.data["actions"]}


def test_check_mode_plans_and_touches_nothing(story: Story) -> None:
    done = story.said["checked"]
    assert (done.status, done.data["outcome"]) == (0, "planned"), done.output
    assert story.world["checked"] == World(False, False, False, 0, 0, [])
    assert "it ends after 1h by its timer" in done.said and "it ends after 1h by the server itself" in done.said, done.output
    assert "1 active alert" in done.said and "nobody will undo it" in done.said


def test_it_is_on_as_users_see_it_and_ends_by_itself(story: Story) -> None:
    done, there = story.said["on"], story.world["on"]
    assert (done.status, done.data["outcome"]) == (0, "recovered"), done.output
    assert set(outcomes(done).values()) == {"done"} and len(outcomes(done)) == 4
    assert (there.flag, there.checkout, there.api, there.silences) == (True, True, True, 1)
    assert sorted(name.rpartition(".")[2] for name in there.units) == ["service", "service", "sh", "sh", "timer", "timer"]
    on, silence = (story.changes["on"][f"{verb} web1"]["temporary"] for verb in ("maintenance_on", "silence_alerts"))
    assert f"{on['armed_as']}.timer" in there.units and on["expires"] == silence["expires"]
    assert {change["state"] for change in story.changes["on"].values()} == {"in_force"}


def test_the_incident_is_not_closed_over_it(story: Story) -> None:
    refused = story.said["closed early"]
    assert refused.status == 2 and "maintenance on" in refused.said and "silence alerts" in refused.said, refused.output


def test_what_is_on_already_says_whose_it_is_and_is_not_taken_off_by_another(story: Story) -> None:
    done = story.said["by another"]
    assert outcomes(done) == {"maintenance_on web1": "not_needed", "silence_alerts web1": "not_needed", "maintenance_off app1": "refused"}
    assert f"by ann, run {story.said['on'].data['run']}" in done.said, done.output
    assert "somebody else has put it on" in done.said and f"maintenance_whose={story.said['on'].data['run']}" in done.said, done.output
    assert story.world["by another"] == story.world["on"]


def test_the_unit_takes_it_off_when_its_time_is_over(story: Story) -> None:
    fired, before, after = story.said["fired"], story.world["on"], story.world["fired"]
    assert (fired.status, after.checkout, after.flag) == (0, False, True), fired.output
    assert len(after.units) == len(before.units) - 3
    assert story.state("undone", "maintenance_on web2") == "gone"


def test_it_is_taken_off_by_who_put_it_on(story: Story) -> None:
    done, there = story.said["off"], story.world["off"]
    said = outcomes(done)
    assert (said["maintenance_off web1"], said["end_silence web1"]) == ("done", "done"), done.output
    assert (there.flag, there.silences, there.units) == (False, 0, [])
    assert (story.state("off", "maintenance_on web1"), story.state("off", "silence_alerts web1")) == ("gone", "gone")


def test_an_api_that_answers_and_does_nothing_is_found_out(story: Story) -> None:
    done, there = story.said["off"], story.world["off"]
    assert (there.calls, there.api, outcomes(done)["maintenance_off app1"]) == (2, True, "failed"), done.output
    assert done.status not in (0, 5) and story.state("off", "maintenance_on app1") != "gone"


def test_undo_takes_back_what_is_left(story: Story) -> None:
    done, there = story.said["undone"], story.world["undone"]
    assert (done.status, there.api, there.calls) == (0, False, 3), done.output
    assert {change["state"] for change in story.changes["undone"].values()} == {"gone"}
    assert story.said["closed"].status == 0, story.said["closed"].output


def test_the_header_is_nowhere(story: Story) -> None:
    assert SECRET not in story.everything and all(SECRET not in done.output for done in story.said.values())
