# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outputs of hosts beside a record: no name escapes, nothing is overwritten, no secret gets through, everything is hashed."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

from tests.support.exhaustive import EXHAUSTIVE


@pytest.fixture
def keeper(tmp_path: Path) -> keeping.Keeper:
    redactor = Redactor(key=b"k" * 32)
    redactor.learn("correct-horse-battery")
    return keeping.Keeper(keeping.host_dir(tmp_path, "db1"), redactor)


EVIL = [
    "..",
    ".",
    "",
    "/etc/passwd",
    "../../x",
    "a/b",
    "a\\b",
    "-rf",
    "a\nb",
    "a\0b",
    ".hidden",
    "~root",
    "$(id)",
    "x" * 500,
    "ä",
    "\udc80",
    "=2E",
]


def test_every_name_is_one_harmless_component() -> None:
    made = [keeping.safe_name(name) for name in EVIL]
    assert len(set(made)) == len(EVIL)
    for name in made:
        assert name and "/" not in name and name not in (".", "..") and name[0] not in ".-~" and len(name) <= 120 and name.isascii()
    assert keeping.safe_name("db1.example.org") == "db1.example.org"


@pytest.mark.parametrize("name", EVIL)
def test_nothing_leaves_the_run(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    keeper = keeping.Keeper(keeping.host_dir(run, name), Redactor(key=b"k" * 32))
    found = keeper.keep(io.BytesIO(b"x"), folder=name, name=name)
    (written,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written.resolve().is_relative_to(run.resolve() / "hosts") and (run / found["path"]) == written


def test_what_is_kept_is_redacted_and_hashed(keeper: keeping.Keeper, tmp_path: Path) -> None:
    said = b"line one\nlogin with correct-horse-battery ok\nPGPASSWORD=sesame99 psql\n\xff\xfe binary\n"
    found = keeper.keep(io.BytesIO(said), folder="20-proc", name="processes.txt")
    kept = (tmp_path / found["path"]).read_bytes()
    assert b"correct-horse" not in kept and b"sesame99" not in kept and b"line one" in kept and b"\xff\xfe binary" in kept
    assert (found["sha256"], found["bytes"]) == (hashlib.sha256(kept).hexdigest(), len(kept))
    assert (found["received_sha256"], found["received_bytes"]) == (hashlib.sha256(said).hexdigest(), len(said))
    assert (tmp_path / found["path"]).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [0, keeping.CHUNK - 5, keeping.CHUNK - 30, keeping.CHUNK - 200])
def test_a_secret_across_two_chunks_is_found(keeper: keeping.Keeper, tmp_path: Path, before: int) -> None:
    filler = (b"some log line\n" * (before // 14 + 1))[:before]
    secret = b"\nlogin with correct-horse-battery ok\n"
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 5 + b"-----END PRIVATE KEY-----\n"
    found = keeper.keep(io.BytesIO(filler + secret + key + b"end\n"), folder="10-net", name="x.txt")
    kept = (tmp_path / found["path"]).read_bytes()
    assert b"correct-horse" not in kept and b"MIIEvQ" not in kept and kept.endswith(b"end\n")


def test_a_file_without_lines_is_kept_in_bounded_pieces(keeper: keeping.Keeper, tmp_path: Path) -> None:
    found = keeper.keep(io.BytesIO(b"x" * (3 * keeping.CHUNK + 7)), folder="10-net", name="x.txt")
    assert found["bytes"] == 3 * keeping.CHUNK + 7


FILLERS = {"words": b"word ", "one word": b"x", "JSON": b'"a":1,'}
SHORT = [5, 18, 30, 4090, 4100, 4120]
SECRETS = {
    "known": b"login with correct-horse-battery ok", "variable": b" PGPASSWORD=correct-horse-battery ",
    "quoted": b'"password": "correct horse-battery and more"', "option": b" --password correct-horse-battery ",
}
#: Every two of the three meet; all three of them when exhaustive.
ACROSS = [
    pytest.param(filler, short, secret, id=f"{name}-{short}-{kind}")
    for row, short in enumerate(SHORT)
    for column, (kind, secret) in enumerate(SECRETS.items())
    for place, (name, filler) in enumerate(FILLERS.items())
    if EXHAUSTIVE or (row + column) % len(FILLERS) == place
]


@pytest.mark.parametrize(("filler", "short", "secret"), ACROSS)
def test_a_secret_across_two_pieces_of_one_line_is_found(
    keeper: keeping.Keeper, tmp_path: Path, filler: bytes, short: int, secret: bytes,
) -> None:
    before = (filler * (keeping.CHUNK // len(filler) + 1))[:keeping.CHUNK - short]
    after = filler * (keeping.CHUNK // len(filler) // 2)
    found = keeper.keep(io.BytesIO(before + secret + after), folder="10-net", name="x.txt")
    kept = (tmp_path / found["path"]).read_bytes()
    assert b"correct" not in kept and b"battery" not in kept and kept.count(b"[redacted:") == 1
    assert kept.endswith(after) and kept.startswith(before[:-len(filler)])


def test_a_private_key_in_one_line_of_many_is_found(keeper: keeping.Keeper, tmp_path: Path) -> None:
    key = b'{"key": "-----BEGIN PRIVATE KEY-----' + b"\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 300 + b'\\n-----END PRIVATE KEY-----"}'
    found = keeper.keep(io.BytesIO(b"word " * (keeping.CHUNK // 5 - 100) + key + b" end" * 20_000), folder="10-net", name="x.txt")
    kept = (tmp_path / found["path"]).read_bytes()
    assert b"MIIEvQ" not in kept and kept.endswith(b" end" * 20_000)


def test_nothing_is_overwritten_and_links_are_not_followed(keeper: keeping.Keeper, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = keeper.directory / "10-net"
    folder.mkdir(parents=True)
    (folder / "x.txt").symlink_to(outside)
    found = keeper.keep(io.BytesIO(b"new"), folder="10-net", name="x.txt")
    assert outside.read_text() == "mine" and found["path"].endswith("x.2.txt")
    (keeper.directory / keeping.INDEX).symlink_to(outside)
    with pytest.raises(OSError):
        keeper.note({"kind": "item"})
    assert outside.read_text() == "mine"


def test_the_index_is_lines_without_secrets(keeper: keeping.Keeper) -> None:
    keeper.note({"kind": "item", "stderr": "correct-horse-battery", "argv": ["a"], "odd": "\udc80\n"})
    with (keeper.directory / keeping.INDEX).open("a") as stream:
        stream.write("torn {\n")
    keeper.note({"kind": "end"})
    found = list(keeper.noted())
    assert [line["kind"] for line in found] == ["item", "end"] and "correct-horse" not in str(found)
    assert os.stat(keeper.directory / keeping.INDEX).st_mode & 0o777 == 0o600
