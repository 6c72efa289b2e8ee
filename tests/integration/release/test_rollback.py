# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario rollback: real links, a real clone, a team's own script, and an application that the measurement asks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.release.conftest import QUICK, Shop, serving
from tests.support.site import Ended, Site

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Site]]:
    place = tmp_path_factory.mktemp("shop")
    made = Shop(place / "srv")
    with serving(made.link) as url:
        site = Site(place, playbook="rollback", common=QUICK)
        made.up.touch()
        service = {"name": "shop", "runtime": "command", "where": {"status": ["sh", "-c", f"test -e {made.up} || exit 3"]}}
        smoke = [{"name": "front", "url": url}]
        site.group("app", app1={**made.variables(url), "services": [service], "incident_smoke": smoke})
        yield made, site


@pytest.fixture(scope="module")
def gone_back(shop: tuple[Shop, Site]) -> tuple[Ended, Ended, Ended]:
    """The plan, the same after another migration, and the rollback."""
    made, site = shop
    before = made.world()
    planned = site.play("--check")
    assert made.world() == before, "check mode touches nothing"
    (made.applied / "002_new_column").touch()
    made.up.unlink()
    changed = site.play("--tags", "mitigate,verify")
    assert os.readlink(made.link) == "releases/v2"
    made.up.touch()
    (made.applied / "002_new_column").unlink()
    return planned, changed, site.play()


def test_the_plan_names_the_last_release_that_was_measured_good(gone_back: tuple[Ended, Ended, Ended]) -> None:
    planned, _changed, _done = gone_back
    (action,) = planned.actions()
    assert (action["outcome"], action["verb"], action["target"]["release"], action["target"]["instead_of"]) == (
        "planned", "switch_release", "v1", "v2"), planned.output
    assert "measured good at" in action["reason"]
    assert planned.findings("investigate")["release_wanted"] == "warning" and planned.status == 0


def test_it_is_refused_over_a_change_of_the_schema(gone_back: tuple[Ended, Ended, Ended]) -> None:
    _planned, changed, _done = gone_back
    (action,) = changed.actions()
    assert action["outcome"] == "refused" and "the schema has changed since: 002_new_column" in action["detail"]["error"]


def test_verify_asks_the_services_of_the_host_and_a_test_user(gone_back: tuple[Ended, Ended, Ended]) -> None:
    planned, changed, _done = gone_back
    found = changed.findings("verify")
    assert (found["running"], found["application"], found["smoke"]) == ("critical", "critical", "critical") and "app1" in changed.failed
    assert planned.findings("investigate")["running"] == "ok" and planned.findings("investigate")["smoke"] == "unknown"


def test_it_goes_back_and_notes_what_it_measured(shop: tuple[Shop, Site], gone_back: tuple[Ended, Ended, Ended]) -> None:
    made, _site = shop
    _planned, _changed, done = gone_back
    assert (done.status, done.outcomes()) == (0, ["done"]), done.output
    assert os.readlink(made.link) == "releases/v1", "relative as it was"
    found = done.findings("verify")
    asked = {"release_running", "release_wanted", "release_previous", "release_migrations", "application", "latency", "running", "smoke"}
    assert set(found) >= asked and set(found.values()) == {"ok"}
    noted = json.loads(made.notes.read_text())[str(made.link)]
    assert set(noted) == {"v1"} and noted["v1"]["run"] != "earlier"


def git(directory: Path, *words: str) -> str:
    """Run git as a person of no importance."""
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, "-C", str(directory), *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Ended]:
    """A hotfix that never ran here, by git, and the team's own script that says yes and does nothing, in one run."""
    place = tmp_path_factory.mktemp("others")
    clone = place / "clone"
    clone.mkdir()
    git(clone, "init", "--quiet")
    commits = []
    for text in ("first", "hotfix"):
        (clone / "app").write_text(text)
        git(clone, "add", "app")
        git(clone, "commit", "--quiet", "--no-verify", "--message", text)
        commits.append(git(clone, "rev-parse", "HEAD"))
    hook = clone / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {place}/hooked\n")
    hook.chmod(0o755)
    releases = place / "releases"
    git(clone, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(releases / "one"), commits[0])
    (place / "current").symlink_to(releases / "one")
    common = {"release_schema_compatible": True, "release_notes": ""}
    (place / "names").write_text("* 20261130_120000 running\n  20261129_120000 before\n")
    script = {"list": ["cat", str(place / "names")], "current": ["head", "-n1", str(place / "names")], "rollback": ["true", "{release}"]}
    site = Site(place, playbook="rollback", common={**QUICK, **common, "release_verify_timeout": "1s"})
    where = {
        "path": str(place / "current"), "releases": str(releases), "repository": str(clone), "build": ["cp", "app", "built"],
    }
    site.group(
        "app", hotfix={"release_method": "git", "release_where": where, "release_to": commits[1][:12]},
        script={"release_method": "script", "release_where": script, "release_to": "20261129_120000"},
    )
    return {"place": place, "commits": commits, "clone": clone}, site.play()


def test_a_hotfix_is_built_beside_and_switched_to(others: tuple[dict[str, Any], Ended]) -> None:
    made, done = others
    first, hotfix = made["commits"]
    assert done.outcomes("hotfix") == ["done"], done.output
    assert os.readlink(made["place"] / "current") == str(made["place"] / "releases" / hotfix)
    assert (made["place"] / "current" / "built").read_text() == "hotfix"
    assert git(made["clone"], "log", "--format=%H").split() == [hotfix, first], "no commit is made"
    assert not (made["place"] / "hooked").exists(), "no hook of the clone runs"
    assert [name for name in os.listdir(made["place"] / "releases") if name.startswith(".")] == []
    assert "hotfix" not in done.failed


def test_a_script_that_only_says_so_has_not_gone_back(others: tuple[dict[str, Any], Ended]) -> None:
    _made, done = others
    (action,) = done.actions("script")
    assert (action["outcome"], action["target"]["instead_of"]) == ("failed", "20261130_120000")
    assert "script" in done.failed


def test_forward_again_is_the_undo(shop: tuple[Shop, Site], gone_back: tuple[Ended, Ended, Ended]) -> None:
    made, site = shop
    (change,) = gone_back[2].actions()
    handed = {"app1": [change]}
    undo = Path(__file__).parents[3] / "incident" / "undo.yml"
    done = site.play("--tags", "mitigate,verify", playbook=undo, variables={"incident_changes": handed})
    assert os.readlink(made.link) == "releases/v2", done.output
    (action,) = (one for one in done.actions() if one["outcome"] == "done")
    assert (action["verb"], action["detail"]["ended"]) == ("forward_release", True)
    assert done.findings("verify")["temporary_change"] == "ok" and done.status == 0
