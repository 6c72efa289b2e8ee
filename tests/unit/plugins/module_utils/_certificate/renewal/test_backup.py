# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal import backup
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A lineage as certbot has it."""
    live, archive = tmp_path / "live" / "a", tmp_path / "archive" / "a"
    live.mkdir(parents=True)
    archive.mkdir(parents=True)
    for name, mode in (("fullchain", 0o644), ("privkey", 0o600)):
        (archive / f"{name}1.pem").write_text(f"{name} 1")
        (archive / f"{name}1.pem").chmod(mode)
        (live / f"{name}.pem").symlink_to(f"../../archive/a/{name}1.pem")
    return live


def renew(live: Path) -> None:
    """What certbot does."""
    archive = live.parents[1] / "archive" / "a"
    for name in ("fullchain", "privkey"):
        (archive / f"{name}2.pem").write_text(f"{name} 2")
        (live / f"{name}.pem").unlink()
        (live / f"{name}.pem").symlink_to(f"../../archive/a/{name}2.pem")


def write_through(live: Path) -> None:
    """What a client does that writes into the file."""
    (live / "fullchain.pem").write_text("other")


def loosen(live: Path) -> None:
    """The key becomes readable."""
    (live / "privkey.pem").resolve().chmod(0o644)


def lose(live: Path) -> None:
    """A file is gone."""
    (live / "privkey.pem").resolve().unlink()


def replace_by_directory(live: Path) -> None:
    """A link has become something else."""
    (live / "fullchain.pem").unlink()
    (live / "fullchain.pem").mkdir()
    (live / "fullchain.pem" / "x").write_text("x")


def add(live: Path) -> None:
    """Something new, deep down."""
    (live / "new").mkdir()
    (live / "new" / "file").write_text("x")


@pytest.mark.parametrize("change", [renew, write_through, loosen, lose, replace_by_directory, add])
def test_whatever_was_changed_is_put_back(change: Callable[[Path], None], live: Path, tmp_path: Path) -> None:
    paths = [str(live), str(tmp_path / "archive" / "a"), str(tmp_path / "never there")]
    before = backup.take(paths)
    assert backup.differences(before, paths) == []
    backup.store(before, str(tmp_path / "copies"))
    change(live)
    assert backup.differences(before, paths)
    backup.put_back(before, paths, copies=str(tmp_path / "copies"), aside=str(tmp_path / "aside"))
    assert backup.differences(before, paths) == []
    assert backup.take(paths) == before
    assert (live / "fullchain.pem").read_text() == "fullchain 1"
    assert not list(tmp_path.rglob("*.oncall"))


def test_what_was_new_is_kept_aside(live: Path, tmp_path: Path) -> None:
    paths = [str(live), str(tmp_path / "archive" / "a")]
    before = backup.take(paths)
    backup.store(before, str(tmp_path / "copies"))
    renew(live)
    backup.put_back(before, paths, copies=str(tmp_path / "copies"), aside=str(tmp_path / "aside"))
    kept = backup.stored(str(tmp_path / "aside"), str(tmp_path / "archive" / "a" / "privkey2.pem"))
    assert Path(kept).read_text() == "privkey 2"


def test_copies_have_their_modes_below_a_private_directory(live: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    old = os.umask(0)
    try:
        backup.store(backup.take([str(live)]), str(copies))
    finally:
        os.umask(old)
    assert stat.S_IMODE(copies.stat().st_mode) == 0o700
    key = Path(backup.stored(str(copies), str(live.parents[1] / "archive" / "a" / "privkey1.pem")))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600, "a link takes the file that it leads to along"


def test_links_lead_where_they_led_then(live: Path) -> None:
    links = {entry.path: entry.target for entry in backup.take([str(live)]) if entry.kind == backup.LINK}
    assert backup.resolve(str(live / "privkey.pem"), links) == str(live.parents[1] / "archive" / "a" / "privkey1.pem")
    assert backup.resolve("/a", {"/a": "b", "/b": "a"}) in ("/a", "/b")


def test_too_much_is_refused(tmp_path: Path) -> None:
    for number in range(backup.MAX_ENTRIES + 1):
        (tmp_path / str(number)).touch()
    with pytest.raises(BadInput, match="would be backed up"):
        backup.take([str(tmp_path)])


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="neither a file nor a link"):
        backup.take([str(tmp_path)])


def test_a_small_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    backup.write_through(str(path), "one")
    backup.write_through(str(path), "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["manifest"]
