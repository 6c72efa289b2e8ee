# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles made to hang or to kill who checks them, and things typed that are no evidence: each ends at once and in words."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from oncall_incident.errors import Stop
from oncall_incident.evidence import attaching, bag, checks, signing
from tests.support.wrapper import command

from .conftest import Case, make_key, said


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(("place", "make"), [
    ("data/checkpoints/000009.txt", os.mkfifo), ("seal/0001/manifest-sha256.txt", os.mkfifo), ("seal/0001/ann@ctl1.sig", os.mkfifo),
    ("seal/0001/x.tsr", os.mkfifo), ("custody/000009.jsonl", os.mkfifo), ("bag-info.txt", os.mkfifo), ("data/events/000001.jsonl", device),
    ("manifest-sha256.txt", device), ("custody/000001.jsonl", device), ("seal/0001/tagmanifest-sha256.txt", device),
])
def test_what_would_never_end_is_not_opened(place: str, make: Callable[[Path], object], case: Case) -> None:
    """The command has its own time limit: were one of these read, this would not come to its end."""
    replaced(case.bundle / place, make)
    done = command(case.home, "verify", case.incident.id, "--json")
    verdict = json.loads(done.stdout)
    assert done.returncode == 1 and verdict["status"] == checks.BROKEN
    (statement,) = verdict["statements"]
    assert place in statement["problems"][0]


def test_a_pipe_beside_the_bag_is_not_opened(case: Case) -> None:
    os.mkfifo(case.incident.folder / "custody" / "000009.jsonl")
    done = command(case.home, "verify", str(case.incident.folder), "--json")
    assert done.returncode == 1 and "custody/000009.jsonl is not a regular file" in done.stdout
    with pytest.raises(Stop, match="is not a regular file"):
        case.seal()


def test_directories_instead_of_files(case: Case) -> None:
    for place in ("seal/0001/seal.json", bag.BAG_INFO, "data/checkpoints/000001.txt"):
        replaced(case.bundle / place, Path.mkdir)
    assert case.check().status == checks.BROKEN


@pytest.mark.parametrize("name", ["seal/0002", "seal/000²", "seal/٠٠٠٢", "data/checkpoints/00000²", "custody"])
def test_names_that_are_nearly_ours(name: str, case: Case) -> None:
    path = case.bundle / name
    if path.is_dir():
        shutil.rmtree(path)
    if name.startswith("seal/0002") or name == "custody":
        path.write_text("x")
    else:
        path.mkdir()
    done = command(case.home, "verify", str(case.bundle), "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["status"] == checks.BROKEN, done.stderr


def test_a_version_of_no_seal(case: Case) -> None:
    case.incident.append("note", {"text": "more"})
    case.seal()
    place = case.bundle / "data/versions"
    (place / "0001").rename(place / "abc")
    listed, _wrong = bag.read_manifest(case.bundle / bag.MANIFEST)
    names = {path.replace("versions/0001", "versions/abc"): digest for path, digest in listed.items()}
    (case.bundle / bag.MANIFEST).write_text(bag.manifest(names))
    done = command(case.home, "verify", case.incident.id, "--json")
    assert done.returncode == 1 and "is neither as it was nor kept as a version" in done.stdout, done.stderr


@pytest.mark.parametrize("line", [
    '{"seq":1,"type":"custody","number":1,"tagmanifest_sha256":"x","action":"sealed","signed":[{"a":1}]}', '{"seq":"x","run":{},"prev":[]}',
    '{"$blob":' + '{"a":' * 5000 + '{"$blob":1}' + "}" * 5001, '{"seq":' + "9" * 5000 + "}",
], ids=["seal", "types", "deep", "long number"])
@pytest.mark.parametrize("place", ["data/events/000001.jsonl", "custody/000001.jsonl"])
def test_lines_of_the_wrong_kind(line: str, place: str, case: Case) -> None:
    with (case.bundle / place).open("a") as stream:
        stream.write(line + "\n")
    assert case.check().status == checks.BROKEN


@pytest.mark.parametrize("full", [True, False], ids=["one regular file", "empty"])
def test_a_tar_that_is_no_bundle(full: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    (tmp_path / "notes.txt").write_text("x")
    with tarfile.open(path, "w") as archive:
        if full:
            archive.add(tmp_path / "notes.txt", "notes.txt")
    done = command(tmp_path / "home", "verify", str(path))
    assert done.returncode == 1 and f"{path} is not a bundle" in done.stderr and "incident-verify-" not in done.stderr + done.stdout


def test_looking_at_a_copy_elsewhere_writes_nothing(case: Case, tmp_path: Path) -> None:
    copy = tmp_path / "usb" / "stick" / "copy"
    shutil.copytree(case.incident.folder, copy)
    shutil.rmtree(case.home / "keys")
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "usb").rglob("*"))
    done = command(case.home, "verify", str(copy))
    assert done.returncode == 0, done.stdout
    assert command(case.home, "report", str(copy), "-o", "-").returncode == 0
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "usb").rglob("*")) == before
    # In the store the look is written down.
    custody = case.incident.folder / "custody/000002.jsonl"
    assert '"verified"' not in custody.read_text()
    assert command(case.home, "verify", str(case.incident.folder)).returncode == 0
    assert '"verified"' in custody.read_text()


@pytest.mark.parametrize("name", ["../../ann", "ann, bob", "*@example.org", "ann\nbob", "-ann", "ann/bob"])
def test_a_signers_name_that_would_mean_something_else(name: str, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", "ann")
    for given in ([], [str(key)]):
        with pytest.raises(Stop, match=r"INCIDENT_SIGNER .* cannot be a signer's name"):
            signing.choose(given, home=tmp_path, environ={"INCIDENT_SIGNER": name}, make=True)
    assert [signer.identity for signer in signing.choose([str(key)], home=tmp_path, environ={"INCIDENT_SIGNER": "ann+1@ctl"}, make=False)]


def test_a_directory_cannot_be_attached(case: Case, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(Stop, match="is not a regular file"):
            attaching.attach(case.incident, path)
    assert len(os.listdir("/proc/self/fd")) == before
    done = command(case.home, "attach", case.incident.id, "/etc")
    assert done.returncode != 0 and "Traceback" not in done.stderr and "/etc is not a regular file" in done.stderr


@pytest.mark.parametrize(("what", "text", "stdin"), [("note", "", ""), ("note", " \n", ""), ("note", "-", "\n"), ("update", "", "")])
def test_an_empty_text_is_refused(what: str, text: str, stdin: str, case: Case) -> None:
    before = case.incident.state().events
    done = command(case.home, what, case.incident.id, text, stdin=stdin)
    assert done.returncode != 0 and f"The {what} is empty" in done.stderr
    assert case.incident.state().events == before


def test_the_latest_report_where_there_are_incidents_and_no_runs(case: Case) -> None:
    shutil.rmtree(case.home / "runs")
    done = command(case.home, "report", "latest", "-o", "-")
    assert done.returncode == 0 and "Logins hang" in done.stdout, done.stderr


def test_a_check_that_cannot_go_on_is_a_verdict(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails in the middle."""
    def fails(*_arguments: object, **_more: object) -> None:
        raise OSError(5, "Input/output error", "/evidence")

    monkeypatch.setattr(bag, "read_info", fails)
    verdict = case.check()
    assert verdict.status == checks.BROKEN and "/evidence: Input/output error" in said(verdict)


def test_a_milestone_before_the_beginning_is_refused(case: Case) -> None:
    began = case.incident.state().began
    assert began is not None
    at = (began - datetime.timedelta(days=365)).isoformat()
    done = command(case.home, "milestone", case.incident.id, "mitigated", "--at", at)
    assert done.returncode != 0 and f"is before {case.incident.id} began" in done.stderr
    # Where it did begin earlier, that is said first.
    assert command(case.home, "milestone", case.incident.id, "detected", "--at", at).returncode == 0
    assert command(case.home, "milestone", case.incident.id, "mitigated", "--at", at).returncode == 0
    rows = json.loads(command(case.home, "metrics", "--format", "json").stdout)
    assert "-" not in json.dumps([row["time_to"] for row in rows["incidents"]])
