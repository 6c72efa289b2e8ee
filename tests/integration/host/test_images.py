# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""disk-full where container images fill the disk: a real engine, with its store on a real small file system."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need
from tests.support.site import Site
from tests.support.tmpfs import mounted
from tests.support.until import until

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Store:
    """The store of an engine, on a file system of its own."""

    place: Path
    command: list[str]

    def call(self, *arguments: str, given: bytes | None = None) -> str:
        done = subprocess.run([*self.command, *arguments], input=given, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def image(self, name: str, *, size: int) -> None:
        """An image of nothing but a file."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("file")
            entry.size = size
            tar.addfile(entry, io.BytesIO(os.urandom(size)))
        self.call("import", "--change", f"LABEL name={name}", "-", f"localhost/{name}:1", given=archive.getvalue())

    def images(self) -> set[str]:
        return set(self.call("images", "--format", "{{.Repository}}").split())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    need(shutil.which("podman"), "podman")
    # Podman takes no longer path than 50 characters for what it keeps while it runs.
    with mounted(tmp_path / "images", size="40m") as place, tempfile.TemporaryDirectory(prefix="oncall-") as short:
        engine = ["podman", "--root", str(place / "root"), "--runroot", short, "--storage-driver", "vfs"]
        yield Store(place, [*engine, "--cgroup-manager", "cgroupfs", "--events-backend", "file"])


def run(store: Store, tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The scenario, as an operator runs it."""
    site = Site(tmp_path, playbook="disk-full")
    site.group("servers", disk1={
        "host_become": False, "host_file_systems": [str(store.place)], "host_look_below": [str(store.place)], "host_look_for": "1s",
        "host_disk_samples": "", "host_image_command": store.command, "host_image_min_age": "1s", "host_verify_hold": "1s",
        "host_verify_timeout": "20s",
    })
    done = site.incident("--yes", "--json", *arguments)
    assert done.stdout, done.stderr
    return done.status, done.data


def test_images_that_nothing_uses_go(store: Store, tmp_path: Path) -> None:
    store.image("used", size=1 << 20)
    store.call("create", "--name", "keeper", "localhost/used:1", "/file")
    store.image("unused", size=13 << 20)
    free = os.statvfs(store.place).f_bavail * os.statvfs(store.place).f_frsize
    with (store.place / "filler").open("wb") as filler:
        filler.write(os.urandom(max(free - (1 << 20), 0)))
    until(lambda: len(store.images()) == 2, what="both images")

    status, told = run(store, tmp_path, "--check")
    assert status == 0, told
    assert store.images() == {"localhost/used", "localhost/unused"}, "--check touches nothing"

    status, told = run(store, tmp_path)
    assert status == 0, told
    assert store.images() == {"localhost/used"}
    assert "keeper" in store.call("ps", "--all", "--format", "{{.Names}}")


def test_an_engine_that_only_says_that_it_removed_an_image_is_not_believed(store: Store, tmp_path: Path) -> None:
    store.image("unused", size=13 << 20)
    free = os.statvfs(store.place).f_bavail * os.statvfs(store.place).f_frsize
    with (store.place / "filler").open("wb") as filler:
        filler.write(os.urandom(max(free - (1 << 20), 0)))
    image = store.call("image", "ls", "--quiet", "--no-trunc").strip().removeprefix("sha256:")
    liar = tmp_path / "podman"
    liar.write_text(f'#!/bin/sh\ncase " $* " in *" image prune "*) echo {image}; exit 0 ;; esac\nexec podman "$@"\n')
    liar.chmod(0o755)
    status, told = run(Store(store.place, [str(liar), *store.command[1:]]), tmp_path, "-e", "host_act_timeout=10s")
    assert status != 0
    assert {one["verb"]: one["outcome"] for one in told["actions"]} == {"prune_images": "failed"}
    assert store.images() == {"localhost/unused"}
