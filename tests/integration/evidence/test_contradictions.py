# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not what the chains state of them: a seal does not launder them, and verify names them whoever signed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout

from oncall_incident.errors import Stop
from oncall_incident.evidence import attaching, bag, changes, checks, closing, policy, sealing, settings, signing, sources
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.store import Store
from tests.support import incidents
from tests.support.site import ROOT
from tests.support.wrapper import command

from .conftest import make_key, said
from .test_earlier_records import MADE, RUNS

RUN = RUNS["recovered"]
#: A run that tells which source it ran.
SECOND = "20260203T040506Z-db-recovery-0a0b0c"
ATTACHED = b"2026-02-03T04:05:06Z the pool is exhausted\n"
DIGEST = hashlib.sha256(ATTACHED).hexdigest()


class Told:
    """An open incident with a real run's record, which has snapshots of its host and of its database, and an attachment."""

    def __init__(self, place: Path) -> None:
        self.home = place / "home"
        self.home.mkdir()
        subprocess.run(["tar", "-x", "-p", "--no-same-owner", "-f", MADE / "home.tar.gz", "-C", self.home], check=True, timeout=60)
        (place / "errors.log").write_bytes(ATTACHED)
        self.incident: Incident = Store(self.home).open(title="Logins hang", severity="SEV1", policy=policy.load("default"))
        self.signer = signing.Signer("ann@ctl1", make_key(place / "ann", "ann@ctl1"), "file")
        self.allowed = signing.remember(self.home, self.signer)
        attaching.attach_run(self.incident, self.home / "runs" / RUN)
        attaching.attach(self.incident, place / "errors.log")
        source = sources.keep(self.incident, playbook="x", collection=ROOT, versions={}, project=place)
        incidents.write_record(self.home, run=SECOND)
        self.incident.append_all([
            ("run.started", {"record": SECOND, "scenario": "db-recovery", "at": "2026-02-03T04:05:06Z", "ran": source}),
            ("run.ended", {"record": SECOND, "outcome": "recovered", "exit_status": 0, "at": "2026-02-03T04:05:07Z"}),
        ])

    @property
    def host(self) -> Path:
        """What was kept of the run's host, in the bag."""
        return self.incident.data / "hosts" / "demo" / RUN

    def close(self, *, broken: bool = False, leave: Mapping[str, str] | None = None) -> closing.Closed:
        return closing.close(
            self.incident, configured=settings.load(self.home), resolution="over", make_key=False, sign_keys=[str(self.signer.key)],
            broken=broken, leave=leave,
        )

    def check(self) -> checks.Verdict:
        """As a third party who trusts the signer."""
        return checks.check(self.incident.bundle, allowed=self.allowed, authority=None)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def cut_a_line(told: Told) -> str:
    path = told.host / "25-database/postgresql_activity.txt"
    write(path, b"".join(path.read_bytes().splitlines(keepends=True)[3:]))
    return f"data/hosts/demo/{RUN}/25-database/postgresql_activity.txt: event "


def overwrite_the_attachment(told: Told) -> str:
    write(layout.blob_path(told.incident.data, DIGEST), b"nothing was wrong\n")
    return f"data/blobs/sha256/{DIGEST[:2]}/{DIGEST}: a blob's name is its SHA-256"


def remove_the_attachment(told: Told) -> str:
    layout.blob_path(told.incident.data, DIGEST).unlink()
    return f"data/blobs/sha256/{DIGEST[:2]}/{DIGEST}: event "


def remove_the_hosts(told: Told) -> str:
    # Of the run as well: it would be collected again from there.
    for path in (told.incident.data / "hosts", told.home / "runs" / RUN / "hosts"):
        shutil.rmtree(path)
    return f"data/hosts/demo/{RUN}/10-net/sockets.txt: event "


def change_the_index(told: Told) -> str:
    path = told.host / "index.jsonl"
    old = hashlib.sha256((told.host / "20-proc/processes.txt").read_bytes()).hexdigest().encode()
    assert old in path.read_bytes()
    write(path, path.read_bytes().replace(old, b"0" * 64))
    return f"data/hosts/demo/{RUN}/index.jsonl: event "


def remove_a_line_of_the_index(told: Told) -> str:
    path = told.host / "index.jsonl"
    write(path, b"".join(line for line in path.read_bytes().splitlines(keepends=True) if b"processes.txt" not in line))
    return f"data/hosts/demo/{RUN}/index.jsonl: event "


def change_the_source(told: Told) -> str:
    (path,) = (told.incident.data / "source").iterdir()
    write(path, path.read_bytes().replace(b"playbooks", b"playb00ks"))
    return f"data/source/{path.name}: event "


def records(told: Told) -> tuple[Path, ...]:
    """In the bag, if it was collected, and where it would be collected from."""
    return told.incident.data / "runs" / RUN, told.home / "runs" / RUN


def remove_a_record(told: Told) -> str:
    for path in records(told):
        shutil.rmtree(path)
    return f"data/runs/{RUN}/record: event "


def cut_the_end_of_a_record(told: Told) -> str:
    """The whole last segment, so that no line of what is left is wrong."""
    for path in records(told):
        _number, last = layout.segments(path)[-1]
        assert b'"type":"outcome"' in last.read_bytes()
        last.unlink()
    return f"data/runs/{RUN}: event "


CHANGES: list[Callable[[Told], str]] = [
    cut_a_line, overwrite_the_attachment, remove_the_attachment, remove_the_hosts, change_the_index, remove_a_line_of_the_index,
    change_the_source, cut_the_end_of_a_record,
]


def test_what_is_as_it_is_stated_is_proven(told: Told) -> None:
    told.close()
    verdict = told.check()
    assert verdict.status == checks.PROVEN, said(verdict)
    (kept,) = [statement for statement in verdict.statements if statement.what == "kept files"]
    assert int(kept.text.split()[0]) > 15, "every output, the attachment, the source"


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_not_sealed_and_stays_open(told: Told, change: Callable[[Told], str]) -> None:
    wrong = change(told)
    with pytest.raises(Stop, match="It is not sealed") as refused:
        told.close()
    assert wrong in refused.value.message and "--seal-broken" in refused.value.hint
    assert told.incident.state().closed is None and not sealing.seals(told.incident.bundle)
    verdict = checks.check(told.incident.bundle, allowed=told.allowed, authority=None, own=told.incident.folder)
    assert verdict.status == checks.BROKEN and f"kept files: {wrong}" in said(verdict)


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_sealed_all_the_same_is_broken(told: Told, change: Callable[[Told], str]) -> None:
    """By whoever says --seal-broken: the seal states it. The signature is good, and it is broken all the same."""
    wrong = change(told)
    closed = told.close(broken=True)
    assert any(wrong in note for note in closed.notes)
    (sealed,) = [event for event in told.incident.events() if event["type"] == "sealed"]
    assert any(wrong in text for text in sealed["broken"])
    verdict = told.check()
    assert verdict.status == checks.BROKEN and f"kept files: {wrong}" in said(verdict)
    assert {statement.status for statement in verdict.statements if statement.what in ("files", "bag", "seal 0001")} == {checks.PROVEN}


def sign_again(told: Told) -> None:
    """By the rightful key: every sum anew, and a signature over them in place of the first."""
    bundle = told.incident.bundle
    entries = bag.digests(bundle, bag.walk(bundle, "data").files)
    (bundle / bag.MANIFEST).write_text(bag.manifest(entries))
    tags, _wrong = bag.read_manifest(bundle / bag.TAG_MANIFEST)
    (bundle / bag.TAG_MANIFEST).write_text(bag.manifest(bag.digests(bundle, sorted(tags))))
    seal = bundle / "seal/0001"
    for name in (bag.MANIFEST, bag.TAG_MANIFEST):
        shutil.copyfile(bundle / name, seal / name)
    for signature in seal.glob("*.sig"):
        signature.unlink()
    signing.sign(seal / bag.TAG_MANIFEST, told.signer, to=seal / told.signer.file_name)


@pytest.mark.parametrize("change", [*CHANGES, remove_a_record])
def test_a_sealed_bundle_that_was_changed_and_signed_again(told: Told, change: Callable[[Told], str]) -> None:
    told.close()
    wrong = change(told)
    sign_again(told)
    verdict = told.check()
    assert verdict.status == checks.BROKEN and f"kept files: {wrong}" in said(verdict)
    assert {statement.what for statement in verdict.statements if statement.status == checks.BROKEN} == {"kept files"}


def test_a_bundle_that_was_only_signed_again_is_proven(told: Told) -> None:
    """Nothing but the change is what the others find."""
    told.close()
    sign_again(told)
    assert told.check().status == checks.PROVEN, said(told.check())


def test_a_record_that_is_gone_is_not_sealed(told: Told) -> None:
    wrong = remove_a_record(told)
    with pytest.raises(Stop, match="its record is missing"):
        told.close()
    assert told.incident.state().closed is None and not sealing.seals(told.incident.bundle)
    # What it changed for a time is not known any more: somebody has to answer for that.
    with pytest.raises(Stop, match="1 temporary change not known to be gone") as refused:
        told.close(broken=True)
    (ref,) = [change.ref for change in changes.of(told.incident, state=told.incident.state())]
    assert ref in str(refused.value)
    assert any(wrong in note for note in told.close(broken=True, leave={ref: "the disk was lost"}).notes)
    verdict = told.check()
    assert verdict.status == checks.BROKEN and f"kept files: {wrong}" in said(verdict)
    # In its store as well: it is not a run that comes since the seal.
    verdict = checks.check(told.incident.bundle, allowed=told.allowed, authority=None, own=told.incident.folder)
    assert f"kept files: {wrong}" in said(verdict)


def test_an_end_that_the_record_does_not_have(told: Told) -> None:
    told.incident.append("run.ended", {"record": RUN, "outcome": "not_recovered", "exit_status": 3, "at": "2026-02-03T04:05:08Z"})
    with pytest.raises(Stop, match=r"ended as not_recovered \(3\), its record as recovered \(0\)"):
        told.close()


def plant_an_output(told: Told) -> str:
    write_new(told.host / "10-net/connections.txt", b"198.51.100.7 was here\n")
    return f"data/hosts/demo/{RUN}/10-net/connections.txt: no result of the record states it"


def plant_a_host(told: Told) -> str:
    """With an index of its own that has the file's sum."""
    place = told.incident.data / "hosts/db2" / RUN
    data = b"198.51.100.7 was here\n"
    write_new(place / "10-net/sockets.txt", data)
    entry = {"kind": "item", "path": "hosts/db2/10-net/sockets.txt", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    write_new(place / "index.jsonl", json.dumps(entry).encode() + b"\n")
    return f"data/hosts/db2/{RUN}/10-net/sockets.txt: no result of the record states it"


def plant_a_host_of_no_run(told: Told) -> str:
    write_new(told.incident.data / "hosts/db2/none/10-net/sockets.txt", b"x\n")
    return "data/hosts/db2/none/10-net/sockets.txt: no result of the record states it"


def plant_a_run(told: Told) -> str:
    run = "20260203T060000Z-x-000000"
    shutil.copytree(incidents.write_record(told.home, run=run), told.incident.data / "runs" / run)
    return f"data/runs/{run}: no event of the incident names this run"


def write_new(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("plant", [plant_an_output, plant_a_host, plant_a_host_of_no_run, plant_a_run])
def test_what_no_chain_states_is_sealed_and_not_proven(told: Told, plant: Callable[[Told], str]) -> None:
    named = plant(told)
    assert any(named in note for note in told.close().notes)
    verdict = told.check()
    assert verdict.status == checks.UNPROVEN, said(verdict)
    (statement,) = [statement for statement in verdict.statements if statement.what == "unstated files"]
    assert statement.status == checks.UNPROVEN and named in statement.problems
    assert checks.BROKEN not in {statement.status for statement in verdict.statements}


def test_an_output_of_one_run_that_its_record_does_not_state(told: Told) -> None:
    run = told.home / "runs" / RUN
    write_new(run / "hosts/demo/10-net/connections.txt", b"198.51.100.7 was here\n")
    write_new(run / "hosts/db2/index.jsonl", b"{}\n")
    done = command(told.home, "verify", RUN)
    assert done.returncode == 3 and "hosts that it does not state" in done.stdout, done.stdout
    for path in ("demo/10-net/connections.txt", "db2/index.jsonl"):
        assert f"hosts/{path}: no result of the record states it" in done.stdout
    write(run / "hosts/demo/10-net/sockets.txt", b"")
    found = json.loads(command(told.home, "verify", RUN, "--json").stdout)
    assert found["status"] == "broken" and {problem["kind"] for problem in found["problems"]} == {"changed_file", "unstated_file"}


def test_a_run_that_goes_on_is_not_missed_yet(told: Told) -> None:
    """In its store, since the last seal; its record is not collected before it ends."""
    told.close()
    told.incident.append_all([("reopened", {"why": "again"}), ("run.started", {"record": "20260203T050000Z-x-000000", "scenario": "x"})])
    verdict = checks.check(told.incident.bundle, allowed=told.allowed, authority=None, own=told.incident.folder)
    assert verdict.status == checks.UNPROVEN, said(verdict)


def test_the_command_says_which_file_and_what_to_do(told: Told) -> None:
    wrong = cut_a_line(told)
    done = command(told.home, "close", told.incident.id)
    assert done.returncode == 1, done.stdout
    flat = " ".join(done.stderr.split())
    assert wrong in flat and "from a backup" in flat and "SHA-256" in flat
    assert command(told.home, "status", told.incident.id, "--json").stdout.count('"status": "open"') == 1
    assert command(told.home, "seal", told.incident.id).returncode == 1
    done = command(told.home, "close", told.incident.id, "--seal-broken")
    assert done.returncode == 0 and wrong in " ".join(done.stdout.split()), done.stderr
    assert command(told.home, "verify", told.incident.id).returncode == 1


@pytest.mark.parametrize("part", ["25-database/postgresql_activity.txt", "index.jsonl"])
@pytest.mark.parametrize("gone", [False, True])
def test_the_record_of_one_run(told: Told, part: str, gone: bool) -> None:
    run = told.home / "runs" / RUN
    assert command(told.home, "verify", RUN).returncode == 0
    path = run / "hosts/demo" / part
    if gone:
        path.unlink()
    else:
        write(path, path.read_bytes().replace(b"idle", b"gone", 1).replace(b'"sha256":"', b'"sha256":"f', 1))
    done = command(told.home, "verify", RUN, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["status"] == "broken"
    assert any(f"hosts/demo/{part}: " in problem["message"] for problem in found["problems"])


@pytest.mark.parametrize("sign", ["\v", "\f", "\x1c"])
def test_a_line_ends_where_sha256sum_ends_it(told: Told, tmp_path: Path, sign: str) -> None:
    """A manifest with another sign for a newline: sha256sum -c does not take it, so it must not be read either."""
    lines = "".join(f"{digit * 64}  data/{digit}\n" for digit in "ab")
    (tmp_path / "manifest").write_bytes(lines.replace("\n", sign, 1).encode())
    entries, wrong = bag.read_manifest(tmp_path / "manifest")
    assert len(wrong) == 1 and not entries
    (tmp_path / "manifest").write_bytes(lines.encode())
    assert bag.read_manifest(tmp_path / "manifest") == ({"data/a": "a" * 64, "data/b": "b" * 64}, [])
    (tmp_path / "manifest").write_bytes(b"")
    assert bag.read_manifest(tmp_path / "manifest") == ({}, [])
