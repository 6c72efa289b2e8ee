# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle is made of, that stock tools and bagit-python find it valid, and that looking at it changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import bagit
import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.safe import safe_name

from oncall_incident.errors import Stop
from oncall_incident.evidence import attaching, bag, checks, collecting, names, sealing, signing
from tests.support import incidents
from tests.support.wrapper import command

from .conftest import Authority, Case, make_key, said


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Every file with its sum and its time of change."""
    return {
        str(path.relative_to(root)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*")) if path.is_file()
    }


def script(bundle: Path) -> str:
    """The commands of VERIFY.txt: its indented lines, but for the one that says how to run them."""
    lines = [line.removeprefix("    ") for line in (bundle / "VERIFY.txt").read_text().splitlines() if line.startswith("    ")]
    assert lines[0] == "ALLOWED_SIGNERS=~/allowed_signers TSA_CA=~/tsa-ca.pem sh -eu"
    return "\n".join(lines[1:]) + "\n"


def by_hand(bundle: Path, allowed: Path, ca: Path | str = "/dev/null") -> subprocess.CompletedProcess[str]:
    """Run VERIFY.txt's commands, as it says."""
    environ = {"PATH": os.environ["PATH"], "ALLOWED_SIGNERS": str(allowed), "TSA_CA": str(ca)}
    return subprocess.run(
        ["sh", "-eu"], input=script(bundle), cwd=bundle, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )


def valid(bundle: Path) -> None:
    """bagit-python's opinion."""
    bagit.Bag(str(bundle)).validate()


def test_the_layout(case: Case) -> None:
    found = {str(path.relative_to(case.bundle)) for path in case.bundle.rglob("*") if path.is_file()}
    (run,) = case.incident.state().runs
    expected = {
        "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "VERIFY.txt", "custody/000001.jsonl",
        "data/incident.json", "data/timeline.jsonl", "data/redactions.jsonl", "data/events/000001.jsonl", "data/checkpoints/000001.txt",
        "data/checkpoints/000001.txt.sig", f"data/runs/{run}/run.json", f"data/runs/{run}/record/000001.jsonl",
        "seal/0001/tagmanifest-sha256.txt", "seal/0001/manifest-sha256.txt", "seal/0001/bag-info.txt", "seal/0001/seal.json",
        "seal/0001/ann@ctl1.sig", "seal/0001/allowed_signers",
    }
    assert found == expected
    assert all(names.is_safe_path(path) for path in found)


def test_bagit_finds_it_valid(case: Case) -> None:
    valid(case.bundle)
    info = bagit.Bag(str(case.bundle)).info
    assert info["External-Identifier"] == case.incident.id and info["External-Description"] == "Logins hang"


def test_bagit_finds_a_change(case: Case) -> None:
    with (case.bundle / "data/incident.json").open("a") as stream:
        stream.write(" ")
    with pytest.raises(bagit.BagValidationError):
        valid(case.bundle)


def test_the_instructions_work(tmp_path: Path, authority: Authority) -> None:
    """VERIFY.txt's own lines, on a bundle that was sealed twice, with signature and time token."""
    case = Case(tmp_path / "home", url=authority.url)
    case.incident.append("note", {"text": "one more thing"})
    case.seal(url=authority.url)
    done = by_hand(case.bundle, case.allowed, authority.ca)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('Good "evidence@oncall.incident" signature for ann@ctl1') == 2
    assert done.stdout.count("Time stamp: ") == 2
    valid(case.bundle)


@pytest.mark.parametrize("attack", ["change", "add", "signer", "link"])
def test_the_instructions_find_what_is_wrong(attack: str, case: Case, tmp_path: Path) -> None:
    allowed = case.allowed
    if attack == "change":
        path = case.bundle / "data/events/000001.jsonl"
        path.write_bytes(path.read_bytes().replace(b"hang", b"hung", 1))
    elif attack == "add":
        (case.bundle / "data/planted").write_text("x")
    elif attack == "link":
        os.symlink("/etc/passwd", case.bundle / "link")
    else:
        allowed = tmp_path / "others"
        other = make_key(tmp_path / "other", "bob@ctl2")
        allowed.write_text(signing.allowed_line(signing.Signer("bob@ctl2", other, "file")) + "\n")
    assert by_hand(case.bundle, allowed).returncode != 0


def test_the_instructions_say_what_is_missing(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    sealing.seal(case.incident, signers=[], authority=None)
    done = by_hand(case.bundle, case.allowed)
    assert done.returncode == 3 and "NOT SIGNED: nobody vouches for seal 0001" in done.stdout and "NO TIME TOKEN" in done.stdout


def test_the_instructions_do_not_take_an_earlier_seals_signature_for_the_last_ones(case: Case) -> None:
    """The forgery that needs no key: change a file, make the sums anew, and put them into a further seal without a signature."""
    with (case.bundle / "data/timeline.jsonl").open("a") as stream:
        stream.write('{"message": "all was well"}\n')
    (case.bundle / bag.MANIFEST).write_text(bag.manifest(bag.digests(case.bundle, bag.walk(case.bundle, "data").files)))
    tags = ["bagit.txt", bag.BAG_INFO, bag.MANIFEST, bag.VERIFY, *bag.walk(case.bundle, "custody").files]
    tags += bag.walk(case.bundle, "seal").files
    (case.bundle / bag.TAG_MANIFEST).write_text(bag.manifest(bag.digests(case.bundle, tags)))
    (case.bundle / "seal/0002").mkdir()
    for name in sealing.COPIES:
        shutil.copyfile(case.bundle / name, case.bundle / "seal/0002" / name)
    done = by_hand(case.bundle, case.allowed)
    assert done.returncode == 3 and "NOT SIGNED: nobody vouches for seal 0002" in done.stdout, done.stdout + done.stderr
    assert case.check().status != checks.PROVEN


@pytest.mark.parametrize("place", ["README", "custody/000009.jsonl", "seal/planted", "seal/0001/planted", ".hidden"])
def test_the_instructions_see_a_file_added_outside_data(place: str, case: Case) -> None:
    (case.bundle / place).write_text("x")
    assert by_hand(case.bundle, case.allowed).returncode not in (0, 3)


def test_looking_changes_nothing(case: Case) -> None:
    before = tree(case.bundle)
    mine = case.incident.id
    for arguments in (["verify", mine], ["status", mine, "--json"], ["list", "--all"], ["report", "latest", "-o", "-"]):
        assert command(case.home, *arguments).returncode == 0, arguments
    assert command(case.home, "export", case.incident.id, "--tar", str(case.home / "x.tar")).returncode == 0
    assert tree(case.bundle) == before
    assert case.check().status == checks.PROVEN


def test_what_happens_after_the_seal_is_in_the_next_one(case: Case) -> None:
    assert command(case.home, "verify", case.incident.id).returncode == 0
    (beside,) = [path for path in (case.incident.folder / "custody").iterdir() if path.name == "000002.jsonl"]
    actions = [json.loads(line).get("action") for line in beside.read_text().splitlines()]
    assert actions[1:] == ["sealed", "verified"]
    case.seal()
    assert "verified" in (case.bundle / "custody/000002.jsonl").read_text()
    assert case.check().status == checks.PROVEN


def test_sealing_again_rewrites_nothing(case: Case) -> None:
    before = tree(case.bundle)
    case.incident.append("note", {"text": "found the cause"})
    attaching.attach(case.incident, Path(__file__))
    case.seal()
    verdict = case.check()
    assert verdict.status == checks.PROVEN and verdict.seals == 2, said(verdict)
    after = tree(case.bundle)
    made_again = {"data/incident.json", "data/timeline.jsonl", "data/redactions.jsonl"}
    tags = {"bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"}
    changed = {path for path in before if after.get(path, ("",))[0] != before[path][0]}
    assert changed <= made_again | tags
    for path in changed & made_again:
        assert after[f"data/versions/0001/{Path(path).name}"][0] == before[path][0]
    assert "seal/0001/ann@ctl1.sig" in (case.bundle / "tagmanifest-sha256.txt").read_text()
    valid(case.bundle)


def test_an_open_incident_in_its_store_is_not_broken_but_not_covered(case: Case) -> None:
    case.incident.append("note", {"text": "still at it"})
    verdict = checks.check(case.bundle, allowed=case.allowed, authority=None, own=case.incident.folder)
    assert verdict.status == checks.UNPROVEN
    assert any("came since and is not covered yet" in statement.text for statement in verdict.statements)
    # A copy elsewhere has no such excuse.
    assert case.check().status == checks.BROKEN


def test_what_a_run_wrote_is_all_there_and_stored_once(case: Case) -> None:
    (run,) = case.incident.state().runs
    source, inside = case.home / "runs" / run, case.incident.data / "runs" / run
    for path in (source / "record").iterdir():
        assert os.path.samefile(path, inside / "record" / path.name)
    described = json.loads((inside / "run.json").read_text())
    assert described["outcome"] == "recovered" and described["exit_status"] == 0


def test_names_from_hosts_cannot_leave_the_bundle(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    run_dir = incidents.write_record(case.home, run="20260101T000000Z-x-abcdef")
    for host in ("..", "-rf", "web 1", "größe", "a" * 250):
        place = run_dir / "hosts" / (host if host != ".." else "..hidden") / "10-net"
        place.mkdir(parents=True)
        (place / "ss\n-tlnp").write_text("sockets")
    collecting.collect(case.incident, run_dir.name, run_dir)
    case.seal()
    verdict = case.check()
    # Nobody states these outputs.
    broken = {statement.what for statement in verdict.statements if statement.status == checks.BROKEN}
    assert verdict.status == checks.UNPROVEN and not broken, said(verdict)
    hosts = sorted(path.name for path in (case.incident.data / "hosts").iterdir())
    assert len(hosts) == 5 and all(names.is_safe(name) for name in hosts)
    by_hand(case.bundle, case.allowed).check_returncode()


def test_a_hosts_output_that_was_made_safe_already_keeps_its_name_and_its_redactions_are_listed(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    run_dir = incidents.write_record(case.home, run="20260101T000000Z-x-abcdef")
    place = run_dir / "hosts" / safe_name("größe web") / "20-proc"
    place.mkdir(parents=True)
    (place / "ps.txt").write_text("mysqld --password=[redacted:0123456789ab]\n")
    collecting.collect(case.incident, run_dir.name, run_dir)
    case.seal()
    kept = case.incident.data / "hosts" / safe_name("größe web") / run_dir.name / "20-proc" / "ps.txt"
    assert os.path.samefile(kept, place / "ps.txt")
    found = [json.loads(line) for line in (case.incident.data / "redactions.jsonl").read_text().splitlines()]
    assert {"origin": str(kept.relative_to(case.incident.data)), "offset": 18, "rule": "text", "token": "0123456789ab"} in found


def test_a_link_in_a_run_is_refused(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    run_dir = incidents.write_record(case.home, run="20260101T000000Z-x-abcdef")
    (run_dir / "hosts").mkdir()
    os.symlink("/etc", run_dir / "hosts" / "db1")
    with pytest.raises(Stop, match="is not a regular file"):
        collecting.collect(case.incident, run_dir.name, run_dir)


def test_redactions_are_listed_without_what_was_taken_out(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    case.incident.append("note", {"text": "they use password=hunter2-hunter2 there"})
    case.seal()
    (entry,) = [json.loads(line) for line in (case.incident.data / "redactions.jsonl").read_text().splitlines()]
    assert (entry["origin"], entry["pointer"], entry["rule"]) == ("events", "/text", "text")
    assert re.fullmatch(r"[0-9a-f]{12}", entry["token"])
    assert not [path for path in case.incident.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_long_records_are_in_files_of_at_most_16_mib(tmp_path: Path) -> None:
    run_dir = incidents.write_record(tmp_path, run="20260101T000000Z-long-abcdef", events=60_000)
    sizes = [path.stat().st_size for _number, path in layout.segments(run_dir)]
    # The line that crosses the limit and the one that closes the file come after it.
    assert len(sizes) > 1 and max(sizes) < (16 << 20) + 4096


def test_a_killed_seal_is_made_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the manifests and before the seal: the next one finds all in order."""
    case.incident.append("note", {"text": "more"})

    def killed(*_paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sealing.os, "rename", killed)
        case.seal()
    assert not (case.bundle / "seal/0002").exists()
    (case.incident.data / ".timeline.jsonl.4242").write_text("half a li")
    made = case.seal()
    assert made.number == 2
    assert case.check().status == checks.PROVEN, said(case.check())


def test_an_attachment_is_kept_byte_for_byte(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "core dump; rm -rf.bin"
    path.write_bytes(os.urandom(3 << 20))
    digest = attaching.attach(case.incident, path)
    kept = layout.blob_path(case.incident.data, digest)
    assert kept.read_bytes() == path.read_bytes()
    (event,) = case.incident.state().attachments
    assert event["name"] == path.name and event["path"] == f"data/blobs/sha256/{digest[:2]}/{digest}"


def test_an_attachment_can_be_redacted(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("started\nlogin with password=hunter2-hunter2 failed\n")
    digest = attaching.attach(case.incident, path, redact=True)
    text = layout.blob_path(case.incident.data, digest).read_text()
    assert "hunter2" not in text and text.startswith("started\nlogin with password=[redacted:")


def test_a_private_key_in_a_redacted_attachment_goes_as_a_whole(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    made = subprocess.run(["openssl", "genrsa", "4096"], check=True, capture_output=True, text=True, timeout=120).stdout
    path.write_text(f"started\n{made}ended\n")
    digest = attaching.attach(case.incident, path, redact=True)
    text = layout.blob_path(case.incident.data, digest).read_text()
    assert not any(line in text for line in made.splitlines()[1:-1])
    assert text.startswith("started\n") and text.endswith("ended\n")


def test_a_redacted_attachment_of_one_line_is_never_held_whole(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "one-line.json"
    with path.open("wb") as stream:
        for _number in range(48):
            stream.write(b"word " * ((1 << 20) // 5))
    tracemalloc.start()
    try:
        attaching.attach(case.incident, path, redact=True)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20, peak
