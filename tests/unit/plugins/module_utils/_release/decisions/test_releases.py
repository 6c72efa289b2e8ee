# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.containers import repository
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.releases import Note, Release, Seen, choose, short
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.switching import runs, switch, undoable, was_switched
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.verdict import CHECKS, Migrations, judge_releases
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.where import Where

LINK = {"path": "/srv/shop/current", "releases": "/srv/shop/releases"}
OLD, GOOD = Release("v0", note=Note(100.0, "run-0")), Release("v1", note=Note(200.0, "run-1"))
NEW = Release("v2")
STATE = {"root": "/srv/shop/releases", "text": "releases/v2", "target": "/srv/shop/releases/v2"}


def seen(*releases: Release, running: tuple[str, ...] = ("v2",), **more: Any) -> Seen:
    """A look at the link."""
    return Seen("/srv/shop/current", running=running, releases=releases, **{"state": STATE, **more})


def looked(at: Seen, *, to: str = "", migrations: Migrations | None = None) -> dict[str, Any]:
    """As the module returns it."""
    judged = judge_releases(at, to=to, migrations=migrations or Migrations(asked=True), asked=list(CHECKS))
    return {**judged.as_result(), **judged.verdict.as_dict()}


@pytest.mark.parametrize(("releases", "to", "target", "against"), [
    ((NEW, GOOD, OLD), "", "v1", ""),
    ((NEW, OLD), "v0", "v0", ""),
    ((NEW, Release("v3")), "", None, "no release was measured good"),
    ((NEW, Release("v3")), "v3", "v3", ""),
    ((NEW, GOOD), "v9", None, "there is no release v9"),
    # The last good one that is gone is not replaced by an older one.
    ((NEW, Release("v1", present=False, note=Note(200.0)), OLD), "", "v1", "not there any more"),
    ((NEW, Release("v1", crashed="exited with 3")), "v1", "v1", "did not run: exited with 3"),
    ((Release("a" * 40), Release("ab" + "c" * 38)), "a" * 7, "a" * 40, ""),
    ((Release("a" * 40), Release("a" * 39 + "b")), "a" * 7, None, "is 2 releases"),
    ((Release("a" * 40),), "a" * 6, None, "there is no release"),
    ((Release("sha256:" + "b" * 64, name="shop:1"),), "shop:1", "sha256:" + "b" * 64, ""),
])
def test_where_to_go_back_to(releases: tuple[Release, ...], to: str, target: str | None, against: str) -> None:
    choice = choose(seen(*releases), to=to)
    assert (choice.target.id if choice.target else None) == target
    assert against in " ".join(choice.against) and bool(choice.against) is bool(against)
    assert not choice.against or choice.hint


def test_the_release_that_runs_is_well_or_says_why() -> None:
    assert looked(seen(GOOD, running=("v1",)))["checks"]["release_running"] == "ok"
    for more, status in (({"broken": "it is gone"}, "critical"), ({"moved": "the tag moved"}, "warning"), ({"running": ()}, "critical"),
                         ({"running": ("v1", "v2")}, "warning")):
        said = looked(seen(GOOD, NEW, **more))
        (found,) = (one for one in said["findings"] if one["check"] == "release_running")
        assert found["status"] == status and found["hint"]


def test_what_cannot_be_looked_at_is_unknown_and_not_switched() -> None:
    said = looked(Seen("x", trouble="no right", hint="Allow it."))
    assert set(said["checks"].values()) == {"unknown"} and said["healthy"] is None
    done = switch(said, method="symlink", where=LINK, compatible=True, timeout="60s")
    assert "could not be looked at" in done["forbidden"][0] and done["args"]["argv"] == ["false"]
    failed = switch({"failed": True, "msg": "no host"}, method="symlink", where=LINK, compatible=True, timeout="60s")
    assert failed["forbidden"] == ["what runs could not be looked at: no host"]


@pytest.mark.parametrize(("migrations", "compatible", "against"), [
    (Migrations(asked=True, now=("1", "2"), of=("1", "2")), False, ""),
    (Migrations(asked=True, now=("1", "2", "3"), of=("1", "2")), False, "the schema has changed since: 3"),
    (Migrations(asked=True, now=("1",), of=("1", "2")), False, "the schema has changed since: 2"),
    (Migrations(asked=True, now=("1", "2"), of=("1",)), True, ""),
    (Migrations(asked=True, trouble="psql: no"), False, "is not known: psql: no"),
    (Migrations(), False, "nothing says how migrations are listed"),
    (Migrations(), True, ""),
])
def test_the_schema_speaks_against_it(migrations: Migrations, compatible: bool, against: str) -> None:
    said = looked(seen(NEW, GOOD), migrations=migrations)
    found = switch(said, method="symlink", where=LINK, compatible=compatible, timeout="60s")["forbidden"]
    assert against in " ".join(found) and bool(found) is bool(against)
    back = switch(said, method="symlink", where=LINK, compatible=False, back=True, timeout="60s")
    assert back["forbidden"] == [], "that release ran with the schema as it is"


def test_the_target_is_part_of_what_is_approved() -> None:
    found = [switch(looked(seen(NEW, GOOD, OLD), to=to), method="symlink", where=LINK, compatible=True, timeout="60s")["target"]
             for to in ("", "v0")]
    assert [one["release"] for one in found] == ["v1", "v0"] and found[0] != found[1]


def test_a_link_stays_relative() -> None:
    done = switch(looked(seen(NEW, GOOD)), method="symlink", where=LINK, compatible=True, timeout="60s")
    assert done["args"]["argv"][4:] == ["/srv/shop/current", "releases/v2", "releases/v1", "/srv/shop/releases/v1"]
    assert done["undo"] == {"verb": "forward_release", "method": "symlink", "of": "/srv/shop/current", "before": "v2", "set": "v1"}
    absolute = seen(NEW, GOOD, state={**STATE, "text": "/srv/shop/releases/v2"})
    done = switch(looked(absolute), method="symlink", where=LINK, compatible=True, timeout="60s")
    assert done["args"]["argv"][6] == "/srv/shop/releases/v1"


def test_the_way_back_is_of_this_application_alone() -> None:
    change = {"temporary": {"undo": {"method": "symlink", "of": "/srv/shop/current"}}}
    assert undoable([change], method="symlink", where=LINK) == [change]
    assert undoable([change], method="symlink", where={"path": "/srv/other/current"}) == []
    assert undoable([change], method="symlink", where={}) == []


def test_what_runs_is_what_was_asked_for() -> None:
    said = looked(seen(GOOD, running=("v1",)))
    assert runs(said, release="v1") and not runs(said, release="v2")
    broken = looked(seen(GOOD, running=("v1",), broken="x"))
    assert not runs(broken, release="v1") and runs(broken, release="v1", well=False)


@pytest.mark.parametrize(("outcome", "expected"), [("done", True), ("planned", True), ("failed", False), ("refused", False)])
def test_the_service_takes_what_was_switched(outcome: str, expected: bool) -> None:
    assert was_switched({"actions": [{"outcome": outcome}]}) is expected
    assert was_switched({}) is False


@pytest.mark.parametrize(("method", "given", "said"), [
    ("symlink", {}, "needs path"), ("symlink", {"path": "current"}, "not an absolute path"),
    ("symlink", {"path": "/x", "pth": "/y"}, "no key pth"),
    ("image", {"service": "web", "variable": "A B", "directory": "/x"}, "not the name of a variable"),
    ("image", {"service": "web", "variable": "A", "override": "/o", "directory": "/x"}, "exclude each other"),
    ("image", {"service": "-web"}, "is not a name"), ("image", {"service": "web", "override": "/o"}, "not among where.files"),
    ("script", {"list": ["l"], "current": ["c"], "rollback": ["r"]}, "does not say {release}"),
    ("script", {"list": ["l"], "current": ["c"], "rollback": ["{release}"], "pattern": "x"}, "one group"),
    ("script", {"list": ["l"], "current": ["c"], "rollback": ["{release}"], "pattern": "("}, "not a regular expression"),
    ("copy", {}, "no 'copy'"), ("git", {"path": 3, "releases": "/r", "repository": "/g"}, "is not a text"),
])
def test_a_place_that_is_not_usable_is_named(method: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        Where.of(method, given)
    assert said in caught.value.message and caught.value.hint


@pytest.mark.parametrize(("reference", "name"), [
    ("shop:1", "shop"), ("shop", "shop"), ("registry.example.org:5000/shop:1", "registry.example.org:5000/shop"),
    ("registry.example.org:5000/shop", "registry.example.org:5000/shop"), ("shop@sha256:" + "a" * 64, "shop"), ("sha256:" + "a" * 64, ""),
])
def test_the_name_of_an_image(reference: str, name: str) -> None:
    assert repository(reference) == name


def test_a_hash_is_short_for_people() -> None:
    assert short("sha256:" + "a" * 64) == "a" * 12 and short("b" * 40) == "b" * 12 and short("v1") == "v1"
