# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose key seals: a file, an agent's, one made on first use, several, none."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncall_incident.errors import Stop
from oncall_incident.evidence import checks, sealing, signing
from tests.support.advice import advised
from tests.support.need import need
from tests.support.wrapper import command

from .conftest import Case, make_key, said


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An agent with one key; its variables."""
    need(shutil.which("ssh-agent"), "ssh-agent")
    key = make_key(tmp_path / "agent-key", "ann@laptop")
    started = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True, timeout=60).stdout
    found: dict[str, str] = dict(re.findall(r"(SSH_\w+)=([^;]+);", started))
    environ = {**os.environ, **found}
    try:
        subprocess.run(["ssh-add", "-q", key], check=True, env=environ, timeout=60, capture_output=True)
        key.unlink()  # only the agent has it now
        yield found
    finally:
        subprocess.run(["ssh-agent", "-k"], env=environ, check=False, timeout=60, capture_output=True)


def test_a_key_is_made_on_first_use_and_said(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    case.allowed.unlink()
    done = command(case.home, "seal", case.incident.id)
    assert done.returncode == 0, done.stderr
    assert "There was no key, so one was made" in done.stdout and "no passphrase" in done.stdout
    assert (case.home / "signing" / "id_ed25519").stat().st_mode & 0o777 == 0o600
    again = command(case.home, "verify", case.incident.id)
    assert again.returncode == 0, again.stdout
    assert "one was made" not in command(case.home, "seal", case.incident.id).stdout


def test_an_agent_signs(agent: dict[str, str], tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    for arguments in (["--sign-key", "agent"], []):  # named, and as the first that there is
        done = command(case.home, "seal", case.incident.id, *arguments, INCIDENT_SIGNER="ann@laptop", **agent)
        assert done.returncode == 0, done.stderr
        assert "signed by ann@laptop" in done.stdout
    assert case.check().status == checks.PROVEN, said(case.check())


def test_an_agent_without_keys_is_said(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    done = command(case.home, "seal", case.incident.id, "--sign-key", "agent")
    assert done.returncode == 2 and "no agent answers" in done.stderr


def test_an_agents_keys_are_listed_as_the_hint_says(agent: dict[str, str], tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    done = command(case.home, "seal", case.incident.id, "--sign-key", "agent")
    assert done.returncode == 2 and "ssh-add -L" in advised(done.stderr)
    listed = subprocess.run(["ssh-add", "-L"], env={**os.environ, **agent}, capture_output=True, text=True, timeout=60, check=True)
    assert "ann@laptop" in listed.stdout
    assert command(case.home, "seal", case.incident.id, "--sign-key", "agent", **agent).returncode == 0


def test_a_public_key_is_put_beside_its_key_as_the_hint_says(tmp_path: Path) -> None:
    """A key with a passphrase tells its public half to nobody who does not type it."""
    case, key = Case(tmp_path / "home", seal=False), tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", key], check=True, timeout=60)
    Path(f"{key}.pub").unlink()
    refused = command(case.home, "seal", case.incident.id, "--sign-key", str(key), SSH_ASKPASS_REQUIRE="never")
    [told] = [one for one in advised(refused.stderr) if one.startswith("ssh-keygen -y")]
    types = tmp_path / "types"
    types.write_text("#!/bin/sh\necho a passphrase\n")
    types.chmod(0o755)
    environ = {**os.environ, "SSH_ASKPASS": str(types), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(told, shell=True, env=environ, check=True, timeout=60)
    assert Path(f"{key}.pub").read_text().startswith("ssh-ed25519 ")
    again = command(case.home, "seal", case.incident.id, "--sign-key", str(key), SSH_ASKPASS=str(types), SSH_ASKPASS_REQUIRE="force")
    assert again.returncode == 0, again.stderr


def test_several_signers_at_once_and_one_later(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    second = signing.Signer("custodian@archive", make_key(tmp_path / "second", "custodian@archive"), "file")
    signing.remember(case.home, second)
    case.seal(second)
    third = make_key(tmp_path / "third", "lead@hq")
    done = command(case.home, "sign", case.incident.id, "--sign-key", str(third), INCIDENT_SIGNER="lead@hq")
    assert done.returncode == 0, done.stderr
    verdict = case.check()
    assert verdict.status == checks.PROVEN, said(verdict)
    assert set(verdict.signers) == {"ann@ctl1", "custodian@archive", "lead@hq"}
    twice = command(case.home, "sign", case.incident.id, "--sign-key", str(third), INCIDENT_SIGNER="lead@hq")
    assert twice.returncode == 2 and "signed seal 0001 already" in twice.stderr


def test_without_a_key_it_is_sealed_by_hashes_alone_and_said(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    done = command(case.home, "seal", case.incident.id, "--sign-key", "none")
    assert done.returncode == 0 and "sealed by hashes alone" in done.stdout
    checked = command(case.home, "verify", case.incident.id, "--json")
    assert checked.returncode == 3
    data = json.loads(checked.stdout)
    assert data["status"] == "not proven" and data["exit_status"] == 3
    assert any("sealed by hashes alone" in statement["text"] for statement in data["statements"])


def test_a_key_that_cannot_sign_costs_the_signature_not_the_seal(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    broken = tmp_path / "broken"
    broken.write_text("no key at all\n")
    made = sealing.seal(case.incident, signers=[signing.Signer("ann@ctl1", broken, "file")], authority=None)
    assert made.signed == () and any("not signed by ann@ctl1" in note for note in made.notes)
    assert case.check().status == checks.UNPROVEN


def test_a_key_with_a_passphrase_and_nobody_to_ask_is_an_error_not_a_hang(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret words", "-f", key], check=True, timeout=60)
    with pytest.raises(Stop, match="could not sign"):
        signing.sign(case.incident.data / "incident.json", signing.Signer("ann@ctl1", key, "file"), to=tmp_path / "x.sig", ask=False)


def test_without_a_list_of_its_own_nobody_vouches(case: Case) -> None:
    verdict = checks.check(case.bundle, allowed=None, authority=None)
    assert verdict.status == checks.UNPROVEN
    assert any("nothing here says whose that is" in statement.text for statement in verdict.statements)


def test_a_list_that_is_not_there_is_said(case: Case) -> None:
    done = command(case.home, "verify", str(case.bundle), "--allowed-signers", str(case.home / "nobody"))
    assert done.returncode == 2 and "--allowed-signers" in done.stderr
