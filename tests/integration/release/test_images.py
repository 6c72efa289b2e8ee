# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are images of a service of Docker Compose, on a real engine: by digest, a tag that was moved, and an image that is gone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.switching import runs, switch

from tests.support.docker_engine import IMAGE, Engine, engine
from tests.support.run_module import start_module

pytestmark = pytest.mark.timeout(600)
CANARY = "canary-of-the-environment"


@dataclass
class Project:
    """A project whose service `web` runs the image that a variable names, twice; its releases are 1 and 2."""

    engine: Engine
    place: Path
    v1: str
    v2: str

    @property
    def where(self) -> dict[str, Any]:
        """As the module takes it."""
        return {
            "service": "web", "directory": str(self.place), "files": [f"{self.place}/compose.yml"], "variable": "SHOP_IMAGE",
            "command": self.engine.compose,
        }

    def look(self, **more: Any) -> dict[str, Any]:
        """What release_health says."""
        given = {"method": "image", "where": self.where, "notes": str(self.place / "notes.json"), **more}
        return start_module("release_health", env=self.engine.environ, **given).result()

    def up(self, image: str) -> None:
        """Run a release."""
        (self.place / ".env").write_text(f"MODE=live\nSHOP_IMAGE={image}\n")
        self.engine.project(self.place, "up", "--detach", "--scale", "web=2")

    def status(self, looked: dict[str, Any], check: str) -> str:
        """The status of one check."""
        return str(looked["checks"].get(check))

    def run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Run the command of a switch."""
        env = {**self.engine.environ, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)


def image_id(made: Engine, name: str) -> str:
    """The digest of an image."""
    return made.docker("image", "inspect", "--format", "{{.ID}}", name).strip()


def build(made: Engine, place: Path, tag: str, text: str) -> str:
    """Make an image with a file of its own, by a commit of a container: no builder is needed."""
    name = made.docker("create", IMAGE, "true").strip()
    (place / "release").write_text(text)
    made.docker("cp", str(place / "release"), f"{name}:/release")
    change = f"LABEL org.opencontainers.image.revision={text * 40}"
    made.docker("commit", "--change", change, name, tag)
    made.docker("rm", name)
    return image_id(made, tag)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with engine() as made:
        place = tmp_path_factory.mktemp("project")
        service = {
            "image": "${SHOP_IMAGE}", "command": ["sleep", "3600"], "network_mode": "none", "stop_signal": "SIGKILL",
            "environment": {"PASSWORD": CANARY},
        }
        (place / "compose.yml").write_text(json.dumps({"services": {"web": service}}))
        yield Project(made, place, build(made, place, "shop:1", "a"), build(made, place, "shop:2", "b"))


def test_images_are_gone_back_to_by_digest(project: Project) -> None:
    project.up("shop:1")
    note = {"method": "image", "where": project.where, "notes": str(project.place / "notes.json")}
    assert not start_module("release_note", env=project.engine.environ, **note).result().get("failed")
    project.up("shop:2")
    looked = project.look()
    assert (looked["running"], looked["wanted"]) == ([project.v2], project.v1) and project.status(looked, "release_wanted") == "warning"
    assert {one["name"]: one["commit"] for one in looked["releases"]} == {"shop:2": "b" * 40, "shop:1": "a" * 40}
    assert looked["against"] == [] and CANARY not in json.dumps(looked)

    planned = switch(looked, method="image", where=project.where, compatible=True, timeout="60s")
    assert planned["forbidden"] == []
    done = project.run(planned["args"]["argv"])
    assert done.returncode == 0, done.stderr
    now = project.look()
    assert runs(now, release=project.v1) and project.status(now, "release_wanted") == "ok"
    assert (project.place / ".env").read_text() == f"MODE=live\nSHOP_IMAGE={project.v1}\n"
    assert len(project.engine.project(project.place, "ps", "--quiet", "web").split()) == 2, "what was scaled stays so"

    # The same command again finds another release than the one it was made for.
    before = project.look()["identity"]
    assert project.run(planned["args"]["argv"]).returncode == 3 and project.look()["identity"] == before


def test_a_tag_that_was_moved_is_found(project: Project) -> None:
    project.up("shop:2")
    build(project.engine, project.place, "shop:2", "c")
    looked = project.look(to="shop:1")
    (found,) = (one for one in looked["findings"] if one["check"] == "release_running")
    assert found["status"] == "warning" and "shop:2 names another image" in found["hint"]
    assert looked["running"] == [project.v2], "what runs is told by its digest"
    noted = start_module(
        "release_note", env=project.engine.environ, method="image", where=project.where, notes=str(project.place / "other.json"),
    ).result()
    assert noted["failed"] and noted["error"] == "not_noted"
    project.engine.docker("tag", project.v2, "shop:2")


def test_an_image_that_is_gone_is_not_gone_back_to(project: Project) -> None:
    gone = build(project.engine, project.place, "shop:3", "d")
    project.up("shop:3")
    note = {"method": "image", "where": project.where, "notes": str(project.place / "gone.json")}
    start_module("release_note", env=project.engine.environ, **note).result()
    project.up("shop:2")
    project.engine.docker("image", "rm", "shop:3")
    looked = project.look(notes=str(project.place / "gone.json"))
    assert looked["wanted"] == gone and "is not there any more" in looked["against"][0]
    planned = switch(looked, method="image", where=project.where, compatible=True, timeout="60s")
    assert planned["forbidden"] == looked["against"] and planned["args"]["argv"] == ["false"]


def test_an_override_is_written_where_it_says_the_image_alone(project: Project) -> None:
    override = project.place / "release.yml"
    override.write_text("services: {}\n")
    where = {key: value for key, value in project.where.items() if key != "variable"}
    where = {**where, "files": [*where["files"], str(override)], "override": str(override)}
    project.up("shop:2")
    looked = project.look(where=where, to="shop:1")
    planned = switch(looked, method="image", where=where, compatible=True, timeout="60s")
    done = project.run(planned["args"]["argv"])
    assert done.returncode == 0, done.stderr
    assert project.look(where=where, to="shop:1")["running"] == [project.v1]
    override.write_text(json.dumps({"services": {"web": {"image": "shop:2", "privileged": True}}}))
    assert "it is not ours to write" in project.look(where=where, to="shop:2")["against"][0]


def test_without_an_engine_nothing_is_known(project: Project) -> None:
    given = {"method": "image", "where": project.where, "timeout": "5s"}
    looked = start_module("release_health", env={"DOCKER_HOST": "unix:///nonexistent.sock"}, **given).result()
    assert looked["healthy"] is None and looked["checks"]["release_running"] == "unknown" and looked["against"]
