# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks by somebody who can write into the store: an operator's next seal, a copy or a look must not cover them up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oncall_incident.errors import Stop
from oncall_incident.evidence import bag, checks, exporting, pushing, sealing, settings, signing
from tests.support.wrapper import command

from .conftest import Case, make_key, said
from .test_attacks import change_lines, rechain, remake_manifests


def in_store(case: Case) -> checks.Verdict:
    """As the operator whose store it is."""
    return checks.check(case.bundle, allowed=case.allowed, authority=None, own=case.incident.folder, asked=case.incident.id)


def seal_without_looking(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal by a version that did not look, or by a helper of the attacker with an operator's agent."""
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "require_intact", lambda _incident: None)
        case.seal()


def rewrite_custody(case: Case) -> None:
    """A custody chain that is whole again, in the bag and beside it, and says something else."""
    for path in (case.bundle / "custody/000001.jsonl", case.incident.folder / "custody/000001.jsonl"):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes().replace(b'"action":"opened"', b'"action":"OPENED"', 1))
        rechain(path)


def test_a_reseal_does_not_cover_up_a_changed_custody_chain(case: Case) -> None:
    rewrite_custody(case)
    with pytest.raises(Stop, match="custody"):
        case.seal()


def test_a_changed_custody_chain_that_was_sealed_again_is_found(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = case.bundle / "custody/000001.jsonl"
    inside.chmod(0o600)
    inside.write_bytes(inside.read_bytes().replace(b'"action":"opened"', b'"action":"OPENED"', 1))
    seal_without_looking(case, monkeypatch)
    verdict = case.check()
    assert verdict.status == checks.BROKEN
    assert "custody/000001.jsonl was changed since seal 0001" in said(verdict)


def test_a_removed_signature_of_an_earlier_seal(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = signing.Signer("bob@ctl2", make_key(tmp_path / "bob", "bob@ctl2"), "file")
    sealing.add_signature(case.incident, bob, authority=None)
    (case.bundle / "seal/0001/bob@ctl2.sig").unlink()
    assert "the signature of bob@ctl2, which the custody chain beside the bag saw, was removed from seal 0001" in said(in_store(case))
    with pytest.raises(Stop, match=r"signature of bob@ctl2.* was removed from seal 0001"):
        case.seal()
    seal_without_looking(case, monkeypatch)
    # Also for a third party: the bag's own copy of the custody chain is signed by now.
    verdict = case.check()
    assert verdict.status == checks.BROKEN and "was removed from seal 0001" in said(verdict)


def test_a_signature_that_a_later_seal_covers_and_is_gone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.seal()
    (case.bundle / "seal/0001/ann@ctl1.sig").unlink()
    with pytest.raises(Stop, match="seal 0001"):
        case.seal()
    seal_without_looking(case, monkeypatch)
    assert "seal/0001/ann@ctl1.sig was removed since seal 0002" in said(case.check())


def test_a_seals_copy_of_the_manifests_cannot_be_adapted_to_a_change(case: Case) -> None:
    path = case.bundle / "data/runs" / next(iter(case.incident.state().runs)) / "run.json"
    path.chmod(0o600)
    path.write_text(path.read_text().replace("recovered", "relapsed!"))
    remake_manifests(case.bundle)
    with pytest.raises(Stop, match="seal 0001 is not over what the custody chain saw sealed"):
        case.seal()


def test_an_older_state_put_back(case: Case, tmp_path: Path) -> None:
    shutil.copytree(case.bundle, tmp_path / "old")
    case.incident.append("note", {"text": "it was me"})
    case.seal()
    assert in_store(case).status == checks.PROVEN, said(in_store(case))
    shutil.rmtree(case.bundle)
    shutil.copytree(tmp_path / "old", case.bundle)
    verdict = in_store(case)
    assert verdict.status == checks.BROKEN
    assert "seal 0002, which the custody chain beside the bag saw made, is missing" in said(verdict)
    with pytest.raises(Stop, match=r"seal 0002.* is missing"):
        case.seal()


def test_a_line_taken_out_of_the_custody_chain_beside_the_bag(case: Case) -> None:
    for number in range(3):
        case.incident.custody("viewed", {"how": str(number)})
    change_lines(case.incident.folder / "custody/000002.jsonl", lambda lines: [*lines[:3], *lines[4:]])
    verdict = in_store(case)
    assert verdict.status == checks.BROKEN
    assert "custody beside the bag: custody/000002.jsonl, line 4" in said(verdict)
    with pytest.raises(Stop, match=r"custody chain: custody/000002\.jsonl, line 4"):
        case.seal()


def test_the_custody_chain_beside_the_bag_thrown_away(case: Case) -> None:
    shutil.rmtree(case.incident.folder / "custody")
    assert in_store(case).status == checks.BROKEN
    with pytest.raises(Stop, match="custody"):
        case.seal()
    assert command(case.home, "verify", case.incident.id).returncode == 1


def test_another_incidents_bundle_in_its_place(case: Case, tmp_path: Path) -> None:
    other = case.store.open(title="Nothing much", severity="P3", policy=case.rules)
    sealing.seal(other, signers=[case.signer], authority=None)
    shutil.rmtree(case.bundle)
    shutil.copytree(other.bundle, case.bundle)
    done = command(case.home, "verify", case.incident.id)
    assert done.returncode == 1 and f"{case.incident.id} was asked for, and the events are those of {other.id}" in done.stdout, done.stdout
    verdict = checks.check(other.bundle, allowed=case.allowed, authority=None, asked=case.incident.id)
    assert verdict.status == checks.BROKEN
    # A tar that calls itself something else.
    exporting.tar(other, tmp_path / "x.tar")
    place = tmp_path / "place"
    place.mkdir()
    exporting.unpack(tmp_path / "x.tar", place)
    (place / other.id).rename(place / case.incident.id)
    shutil.make_archive(str(tmp_path / "forged"), "tar", place, case.incident.id)
    done = command(case.home, "verify", str(tmp_path / "forged.tar"))
    assert done.returncode == 1 and "was asked for" in done.stdout, done.stdout + done.stderr
    assert command(case.home, "verify", str(tmp_path / "x.tar")).returncode == 0


@pytest.mark.parametrize("attack", ["changed", "removed", "in the bag", "sums"])
def test_a_tampered_bag_is_neither_pushed_nor_exported(attack: str, case: Case, tmp_path: Path) -> None:
    path = case.bundle / ("custody/000001.jsonl" if attack == "in the bag" else "data/timeline.jsonl")
    path.chmod(0o600)
    if attack == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"e", b"E", 1))
    if attack == "sums":
        remake_manifests(case.bundle)
    with pytest.raises(Stop):
        pushing.push(case.incident, str(tmp_path / "there"), configured=settings.load(case.home))
    assert not list((tmp_path / "there").rglob(bag.TAG_MANIFEST)) and not list((tmp_path / "there").rglob("timeline.jsonl"))
    with pytest.raises(Stop):
        exporting.tar(case.incident, tmp_path / "x.tar")
    assert not [entry for entry in tmp_path.iterdir() if "x.tar" in entry.name]
