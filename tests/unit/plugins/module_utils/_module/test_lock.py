# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock for a server on this host, whoever asks."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Locked
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone, lock_path


@pytest.fixture
def what() -> Iterator[str]:
    """A server that nobody else has."""
    name = f"redis:{uuid.uuid4().hex}"
    yield name
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lock_path(name))


def test_one_at_a_time_and_nothing_is_left(what: str) -> None:
    with acting_alone(what):
        assert stat.S_IMODE(os.stat(lock_path(what)).st_mode) == 0o644
        with pytest.raises(Locked, match="Another run"), acting_alone(what):
            pass
        with acting_alone(what + "2"):
            pass
    assert not os.path.exists(lock_path(what))
    with acting_alone(what):
        pass


def test_the_same_file_for_every_user(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = lock_path(what)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert lock_path(what) == before


def test_a_place_that_is_not_everybodys_is_passed_over(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONCALL_INCIDENT_LOCKS", str(tmp_path))
    tmp_path.chmod(0o777)
    assert not lock_path(what).startswith(str(tmp_path)), "anybody could clear it"
    tmp_path.chmod(0o1777)
    assert lock_path(what).startswith(str(tmp_path))


def test_others_see_the_lock_under_a_strict_umask(what: str) -> None:
    before = os.umask(0o077)
    try:
        with acting_alone(what):
            assert stat.S_IMODE(os.stat(lock_path(what)).st_mode) == 0o644
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_a_file_that_another_user_left(what: str) -> None:
    with open(lock_path(what), "w", encoding="ascii"):
        os.chown(lock_path(what), 65534, 65534)
    with acting_alone(what), pytest.raises(Locked), acting_alone(what):
        pass


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file_is_an_error_and_not_followed(kind: str, what: str, tmp_path: Path) -> None:
    target, path = tmp_path / "target", lock_path(what)
    if kind == "link":
        os.symlink(target, path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        os.mkdir(path)
    try:
        with pytest.raises(Locked, match="cannot be seen"), acting_alone(what):
            pass
        assert not target.exists()
    finally:
        if kind == "directory":
            os.rmdir(path)


def test_what_everybody_shares_is_locked_itself_and_left_as_it_is(what: str, tmp_path: Path) -> None:
    for shared in (tmp_path / "directory", tmp_path / "file"):
        (shared.mkdir if shared.name == "directory" else shared.touch)()
        before = os.stat(shared)
        with acting_alone(what, by=str(shared)):
            with pytest.raises(Locked, match="Another run"), acting_alone("another name of it", by=str(shared)):
                pass
            with acting_alone(what):
                assert os.path.exists(lock_path(what)), "that is another lock"
        with acting_alone(what, by=str(shared)):
            pass
        assert os.stat(shared).st_ino == before.st_ino and os.stat(shared).st_mtime_ns == before.st_mtime_ns
    with pytest.raises(Locked, match="cannot be seen"), acting_alone(what, by=str(tmp_path / "gone")):
        pass
