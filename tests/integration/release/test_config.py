# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration from a real archive: what is compared, hidden, put back, and taken back again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.run_module import run_module

OLD = "listen 80\npassword=canary-old\n"
KEPT = "listen 8080\npassword=canary-kept\nurl=postgres://shop:canary-url@db/shop\n"


class Place:
    """Two files of which an archive has another state, and where the old ones are kept."""

    def __init__(self, place: Path) -> None:
        self.place = place.resolve()
        self.etc = self.place / "etc"
        self.etc.mkdir()
        self.files = [self.etc / "shop.conf", self.etc / "more.conf"]
        for path in self.files:
            path.write_text(OLD)
            path.chmod(0o640)
        self.archive = self.place / "config.tar.gz"
        self.pack({"etc/shop.conf": KEPT, "./etc/more.conf": KEPT, "/etc/passwd": "not ours", "../outside": "not ours"})

    def pack(self, members: dict[str, str], *, link: str = "") -> None:
        """Make the archive and the file that vouches for it."""
        with tarfile.open(self.archive, "w:gz") as tar:
            for name, text in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
            if link:
                member = tarfile.TarInfo(link)
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
                tar.addfile(member)
        self.vouch()

    def vouch(self) -> None:
        """Note the archive's digest, as sha256sum does."""
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        Path(f"{self.archive}.sha256").write_text(f"{digest}  {self.archive.name}\n")

    def args(self, **more: Any) -> dict[str, Any]:
        """Of config_restore."""
        return {
            "paths": [str(path) for path in self.files], "source": str(self.archive), "root": str(self.place),
            "kept_in": str(self.place / "kept"), "hold": "0s", "verify_timeout": "1s", **more,
        }

    def restore(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        """Run it."""
        return run_module("config_restore", check=check, **self.args(**more))

    def health(self, **more: Any) -> dict[str, Any]:
        """Compare."""
        given = {name: value for name, value in self.args().items() if name in ("paths", "source", "root")}
        return run_module("config_health", **{**given, **more})

    def texts(self) -> list[str]:
        """What the files say."""
        return [path.read_text() for path in self.files]

    def world(self) -> list[Any]:
        """All there is below the place, with times."""
        return sorted((str(path), path.lstat().st_mtime_ns) for path in self.place.rglob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def outcomes(result: dict[str, Any]) -> list[str]:
    """Of all actions."""
    return [one["outcome"] for one in result["actions"]]


def test_check_mode_shows_the_difference_without_secrets_and_touches_nothing(place: Place) -> None:
    before = place.world()
    said = place.restore(check=True, validate=["touch", str(place.place / "run")], apply=["touch", str(place.place / "run")])
    assert outcomes(said) == ["planned", "planned"] and place.world() == before
    diff = said["actions"][0]["detail"]["diff"]
    assert "-listen 80" in diff and "+listen 8080" in diff and "-password=********" in diff
    assert "canary" not in json.dumps(said)


def test_files_are_put_back_and_the_old_ones_are_kept(place: Place) -> None:
    said = place.restore(validate=["grep", "-q", "listen", "{file}"], apply=["true"], health=["true"])
    assert outcomes(said) == ["done", "done"] and place.texts() == [KEPT, KEPT]
    assert place.files[0].stat().st_mode & 0o777 == 0o640
    assert [Path(one["detail"]["old"]).read_text() for one in said["actions"]] == [OLD, OLD]
    assert sorted(path.name for path in place.etc.iterdir()) == ["more.conf", "shop.conf"], "nothing is left beside them"
    assert outcomes(place.restore()) == ["not_needed", "not_needed"] and place.health()["healthy"] is True


@pytest.mark.parametrize(("more", "why"), [
    ({"validate": ["grep", "-q", "nothing", "{file}"]}, "is not valid"),
    ({"validate": ["false"]}, "the configuration is not valid"),
    ({"apply": ["sh", "-c", "! grep -q 8080 {place}/etc/shop.conf"]}, "failed"),
    ({"health": ["sh", "-c", "! grep -q 8080 {place}/etc/shop.conf"]}, "is not well with it"),
])
def test_the_old_files_come_back(place: Place, more: dict[str, list[str]], why: str) -> None:
    given = {name: [word.replace("{place}", str(place.place)) for word in words] for name, words in more.items()}
    said = place.restore(**given)
    assert said["failed"] and outcomes(said) == ["failed", "failed"] and why in said["msg"]
    assert place.texts() == [OLD, OLD] and place.files[0].stat().st_mode & 0o777 == 0o640
    assert [one["touched"] for one in said["actions"]] == [why != "is not valid"] * 2
    assert sorted(path.name for path in place.etc.iterdir()) == ["more.conf", "shop.conf"]


def test_an_archive_that_nobody_vouches_for_is_not_used(place: Place) -> None:
    place.archive.write_bytes(place.archive.read_bytes() + b"\0")
    said = place.restore()
    assert said["failed"] and "does not have the digest" in said["msg"] and place.texts() == [OLD, OLD]
    assert place.health()["healthy"] is None
    Path(f"{place.archive}.sha256").unlink()
    assert "no digest vouches for" in place.restore()["msg"]


def test_what_is_not_a_file_is_not_taken_from_an_archive(place: Place) -> None:
    place.pack({"etc/more.conf": KEPT}, link="etc/shop.conf")
    said = place.restore()
    assert said["failed"] and "is not one regular file" in said["msg"] and place.texts() == [OLD, OLD]
    place.pack({"etc/more.conf": KEPT})
    assert "has no etc/shop.conf" in place.restore()["msg"]


def test_a_file_behind_a_link_is_refused(place: Place) -> None:
    target = place.place / "elsewhere"
    target.write_text(OLD)
    place.files[0].unlink()
    place.files[0].symlink_to(target)
    said = place.restore()
    assert outcomes(said) == ["refused", "done"] and target.read_text() == OLD
    (place.place / "way").symlink_to(place.etc)
    said = place.restore(paths=[str(place.place / "way" / "more.conf")])
    assert said.get("failed") and place.files[1].read_text() == KEPT, "the archive does not have it by that name"


@pytest.mark.parametrize(("paths", "said"), [
    (["etc/shop.conf"], "not an absolute path"), (["/etc/../etc/x"], "not an absolute path"), (["/elsewhere/x"], "is not below"),
    ([], "named once"),
])
def test_paths_that_are_not_usable_are_named(place: Place, paths: list[str], said: str) -> None:
    result = place.restore(paths=paths)
    assert result["failed"] and result["error"] == "bad_input" and said in result["msg"]


def test_a_directory_is_vouched_for_file_by_file(place: Place) -> None:
    kept = place.place / "copy"
    (kept / "etc").mkdir(parents=True)
    for name in ("shop.conf", "more.conf"):
        (kept / "etc" / name).write_text(KEPT)
    digest = hashlib.sha256(KEPT.encode()).hexdigest()
    (kept / "SHA256SUMS").write_text(f"{digest}  etc/shop.conf\n{digest}  ./etc/more.conf\n")
    assert outcomes(place.restore(source=str(kept))) == ["done", "done"] and place.texts() == [KEPT, KEPT]
    (kept / "etc" / "shop.conf").write_text("changed")
    assert "does not have the digest" in place.restore(source=str(kept))["msg"]


def test_who_may_not_write_leaves_all_as_it_was(place: Place) -> None:
    from tests.support.need import need
    from tests.support.run_module import start_module

    need(os.geteuid() == 0, "root, to become another user")
    for path in (place.place, *place.place.parents):
        if path.owner() == "root" and not path.stat().st_mode & 0o001:
            path.chmod(0o755)
    for path in place.files:
        path.chmod(0o644)
    said = start_module("config_restore", user=65534, **place.args()).result()
    assert said["failed"] and place.texts() == [OLD, OLD]
