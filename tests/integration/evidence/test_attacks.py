# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every attack on a bundle that must be caught, each made."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.line import sealed_closing_line

from oncall_incident.errors import Stop
from oncall_incident.evidence import bag, checks, exporting, signing
from oncall_incident.exits import Exit
from tests.support.wrapper import command

from .conftest import Case, make_key, said

EVENTS = "data/events/000001.jsonl"


def change_lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))


def remake_manifests(bundle: Path) -> None:
    """What an attacker without a key can do: every sum anew, in the bag and in the last seal's copies."""
    entries = bag.digests(bundle, bag.walk(bundle, "data").files)
    (bundle / bag.MANIFEST).write_text(bag.manifest(entries))
    tags, _wrong = bag.read_manifest(bundle / bag.TAG_MANIFEST)
    (bundle / bag.TAG_MANIFEST).write_text(bag.manifest(bag.digests(bundle, sorted(tags))))
    last = sorted((bundle / "seal").iterdir())[-1]
    for name in (bag.MANIFEST, bag.TAG_MANIFEST):
        shutil.copyfile(bundle / name, last / name)


def rechain(path: Path) -> None:
    """Make a chain whole again after a change: every prev, and the closing line's own sum."""
    import hashlib

    lines, prev, made = path.read_bytes().splitlines(), "0" * 64, []
    for number, line in enumerate(lines, start=1):
        event = json.loads(line)
        event.update(prev=prev, seq=number)
        event.pop("self", None)
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        data = sealed_closing_line(data) if event["type"] == "segment.close" else data
        prev = hashlib.sha256(data).hexdigest()
        made.append(data)
    path.write_bytes(b"".join(line + b"\n" for line in made))


def test_an_untouched_bundle_is_proven(case: Case) -> None:
    verdict = case.check()
    assert verdict.status == checks.PROVEN, said(verdict)
    assert verdict.signers == ("ann@ctl1",)


def test_a_byte_changed(case: Case) -> None:
    path = case.bundle / EVENTS
    path.write_bytes(path.read_bytes().replace(b"Logins hang", b"Logins hung", 1))
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert f"{EVENTS} was changed" in said(verdict) and "events/000001.jsonl, line 3: The line before was changed" in said(verdict)


@pytest.mark.parametrize(("attack", "change"), [
    ("removed", lambda lines: lines[:4] + lines[5:]),
    ("added", lambda lines: [*lines[:5], lines[4], *lines[5:]]),
    ("reordered", lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]]),
])
def test_an_event_removed_added_or_reordered(case: Case, attack: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    change_lines(case.bundle / EVENTS, change)
    assert case.check().status == checks.BROKEN
    # Also when all the sums are made anew: the chain itself shows it, without any seal.
    remake_manifests(case.bundle)
    verdict = case.check()
    assert verdict.status == checks.BROKEN and "events: events/000001.jsonl, line" in said(verdict), attack


def test_a_file_added(case: Case) -> None:
    (case.bundle / "data" / "blobs").mkdir(exist_ok=True)
    (case.bundle / "data" / "blobs" / "planted").write_text("proof of something")
    (case.bundle / "README").write_text("look here")
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert "data/blobs/planted was added" in said(verdict) and "'README' was added" in said(verdict)
    broken = [statement.text for statement in verdict.statements if statement.status == checks.BROKEN]
    assert broken == ["1 problem."] * len(broken), "none of them begins with what it says of a good bundle"


def test_a_file_removed(case: Case) -> None:
    (path,) = (case.bundle / "data" / "runs").glob("*/run.json")
    path.unlink()
    assert "run.json is missing" in said(case.check())


def test_manifests_made_again_after_a_change(case: Case) -> None:
    path = case.bundle / EVENTS
    path.write_bytes(path.read_bytes().replace(b"Logins hang", b"All is well", 1))
    rechain(path)
    # The checkpoint would tell as well: even without it, the signature does.
    for checkpoint in (case.bundle / "data" / "checkpoints").iterdir():
        checkpoint.unlink()
    remake_manifests(case.bundle)
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert "ann@ctl1.sig is not a good signature over seal 0001" in said(verdict)


def test_the_tail_of_the_last_segment_cut(case: Case) -> None:
    """Cut where lines end, every sum made anew, the seal thrown away: a signed checkpoint saw more."""
    change_lines(case.bundle / EVENTS, lambda lines: lines[:-3])
    assert case.check().status == checks.BROKEN
    remake_manifests(case.bundle)
    shutil.rmtree(case.bundle / "seal")
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert "A checkpoint saw line" in said(verdict)


def test_a_rewritten_chain_does_not_have_the_head_that_a_checkpoint_saw(case: Case) -> None:
    path = case.bundle / EVENTS
    path.write_bytes(path.read_bytes().replace(b"Logins hang", b"All is well", 1))
    rechain(path)
    shutil.rmtree(case.bundle / "seal")
    assert "The line is not the one that a checkpoint saw" in said(case.check())


def test_a_checkpoint_whose_signature_is_of_something_else(case: Case) -> None:
    (path,) = (case.bundle / "data" / "checkpoints").glob("*.txt")
    path.write_text(path.read_text().replace("/events", "/events "))
    assert "is not good" in said(case.check())


def test_a_seal_copied_from_another_bundle(case: Case, tmp_path: Path) -> None:
    other = Case(tmp_path / "other")
    shutil.rmtree(other.bundle / "seal")
    shutil.copytree(case.bundle / "seal", other.bundle / "seal")
    verdict = checks.check(other.bundle, allowed=case.allowed, authority=None)
    assert verdict.status == checks.BROKEN
    assert "tagmanifest-sha256.txt is not the one that seal 0001 is over" in said(verdict)


def test_a_signature_copied_from_another_bundle(case: Case, tmp_path: Path) -> None:
    other = Case(tmp_path / "other")
    shutil.copyfile(case.bundle / "seal/0001/ann@ctl1.sig", other.bundle / "seal/0001/ann@ctl1.sig")
    verdict = checks.check(other.bundle, allowed=case.allowed, authority=None)
    assert verdict.status == checks.BROKEN and "is not a good signature" in said(verdict)


def test_a_signer_who_is_not_allowed(case: Case, tmp_path: Path) -> None:
    mallory = signing.Signer("ann@ctl1", make_key(tmp_path / "mallory", "ann@ctl1"), "file")
    signature = case.bundle / "seal/0001/ann@ctl1.sig"
    signing.sign(case.bundle / "seal/0001/tagmanifest-sha256.txt", mallory, to=signature)
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert "is not among the allowed signers" in said(verdict)


def test_a_signature_made_for_something_else(case: Case) -> None:
    """The namespace keeps a signature over a file, mail or commit from counting as a seal."""
    data = case.bundle / "seal/0001/tagmanifest-sha256.txt"
    with data.open("rb") as stream:
        made = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-f", case.signer.key, "-n", "git"], stdin=stream, capture_output=True, check=True, timeout=60,
        )
    (case.bundle / "seal/0001/ann@ctl1.sig").write_bytes(made.stdout)
    assert "is not a good signature" in said(case.check())


def test_a_signer_whose_time_was_over(case: Case) -> None:
    case.allowed.write_text(case.allowed.read_text().replace("namespaces=", 'valid-before="20200101",namespaces='))
    verdict = case.check()
    assert verdict.status == checks.BROKEN and "not among the allowed signers" in said(verdict)


def test_the_seal_thrown_away_is_not_taken_for_health(case: Case) -> None:
    shutil.rmtree(case.bundle / "seal")
    assert case.check().status == checks.UNPROVEN


def test_the_signature_thrown_away_is_not_taken_for_health(case: Case) -> None:
    (case.bundle / "seal/0001/ann@ctl1.sig").unlink()
    verdict = case.check()
    assert verdict.status == checks.UNPROVEN
    assert any("sealed by hashes alone" in statement.text for statement in verdict.statements)


def test_a_symbolic_link_out_of_the_bundle(case: Case, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for the bundle")
    (case.bundle / "data" / "blobs").mkdir(exist_ok=True)
    os.symlink(secret, case.bundle / "data" / "blobs" / "link")
    assert f"data/blobs/link is a symbolic link to {secret}" in said(case.check())


def test_a_listed_file_replaced_by_a_link_to_the_same_bytes(case: Case, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.move(case.bundle / EVENTS, copy)
    os.symlink(copy, case.bundle / EVENTS)
    verdict = case.check()
    assert verdict.status == checks.BROKEN and "is a symbolic link" in said(verdict)


def test_the_payload_replaced_by_a_link(case: Case, tmp_path: Path) -> None:
    shutil.move(case.bundle / "data", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", case.bundle / "data")
    assert "data is a symbolic link" in said(case.check())


def test_a_seal_refuses_a_link(case: Case, tmp_path: Path) -> None:
    os.symlink(tmp_path, case.incident.data / "link")
    with pytest.raises(Stop, match="symbolic link"):
        case.seal()


def planted(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
        archive.addfile(member, io.BytesIO(b"evil"))
    return stream.getvalue()


@pytest.mark.parametrize("archive", [
    planted("../evil"), planted("/tmp/evil"), planted("INC-1/../../evil"), planted("INC-1/data/link", tarfile.SYMTYPE, "/etc/passwd"),
    planted("INC-1/data/hard", tarfile.LNKTYPE, "/etc/passwd"), planted("INC-1/data/device", tarfile.CHRTYPE), planted("INC-1/data/a\nb"),
    planted(".hidden/x"),
], ids=["dots", "absolute", "dots inside", "symlink", "hard link", "device", "newline", "hidden"])
def test_an_archive_that_escapes_on_unpacking(archive: bytes, tmp_path: Path) -> None:
    path, place = tmp_path / "bundle.tar", tmp_path / "inner" / "place"
    path.write_bytes(archive)
    place.mkdir(parents=True)
    with pytest.raises(Stop) as stopped:
        exporting.unpack(path, place)
    assert stopped.value.status == Exit.FAILED and "Nothing of it was used" in stopped.value.hint
    assert not list(tmp_path.rglob("evil")) and not list(place.rglob("*"))


def test_the_command_says_so_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_bytes(planted("../evil"))
    done = command(tmp_path / "home", "verify", str(path))
    assert done.returncode == 1 and "would be unpacked elsewhere" in done.stderr


@pytest.mark.parametrize("line", [
    b'{"seq":99,"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b'{"seq":99,"x":"' + b"a" * (17 << 20) + b'"}',
], ids=["deeply nested", "gigantic"])
def test_a_gigantic_or_deeply_nested_event(case: Case, line: bytes) -> None:
    """It is said to be wrong, and neither memory nor stack runs out."""
    path = case.bundle / EVENTS
    path.write_bytes(path.read_bytes() + line + b"\n")
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert "events: events/000001.jsonl, line" in said(verdict)


def test_words_of_a_bundle_do_not_move_the_cursor(case: Case) -> None:
    path = case.bundle / EVENTS
    path.write_bytes(path.read_bytes() + b'{"seq":99,"run":"\\u001b[2J\\u001b[31mall is well","prev":"\\u001b[H"}\n')
    (case.bundle / "data" / "\x1b[2Jx").write_text("x")
    done = command(case.home, "verify", case.incident.id)
    assert done.returncode == 1 and "\x1b" not in done.stdout


def test_a_device_and_a_name_that_is_not_allowed(case: Case) -> None:
    os.mkfifo(case.bundle / "data" / "pipe")
    (case.bundle / "data" / "white space").write_text("x")
    found = said(case.check())
    assert "data/pipe is not a regular file" in found and "data/white space has a name that is not allowed" in found


def test_a_manifest_that_names_a_file_outside(case: Case) -> None:
    path = case.bundle / bag.MANIFEST
    path.write_text(path.read_text() + f"{'0' * 64}  ../../../etc/passwd\n")
    assert "not the SHA-256 and path of a file in a bundle" in said(case.check())


def test_an_earlier_seal_taken_out(case: Case) -> None:
    case.incident.append("note", {"text": "more"})
    case.seal()
    shutil.rmtree(case.bundle / "seal/0001")
    verdict = case.check()
    assert verdict.status == checks.BROKEN and "seal 0001 is missing" in said(verdict)


def test_a_new_seal_does_not_hide_a_change(case: Case) -> None:
    (path,) = (case.bundle / "data" / "runs").glob("*/record/*.jsonl")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"critical", b"CRITICAL", 1))
    with pytest.raises(Stop, match="was changed since seal 0001"):
        case.seal()


def test_custody_cannot_lose_a_line(case: Case) -> None:
    change_lines(case.bundle / "custody/000001.jsonl", lambda lines: [*lines[:1], *lines[2:]])
    remake_manifests(case.bundle)
    assert "custody: custody/000001.jsonl" in said(case.check())


def test_the_time_token_of_another_file(case: Case, authority: object, tmp_path: Path) -> None:
    url, ca = authority.url, authority.ca  # type: ignore[attr-defined]
    other = Case(tmp_path / "other", url=url)
    mine = Case(tmp_path / "mine", url=url)
    assert mine.check(ca=ca).status == checks.PROVEN
    shutil.copyfile(other.bundle / "seal/0001/ann@ctl1.sig.tsr", mine.bundle / "seal/0001/ann@ctl1.sig.tsr")
    verdict = mine.check(ca=ca)
    assert verdict.status == checks.BROKEN and "proves no time" in said(verdict)
