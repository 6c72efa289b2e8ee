# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time tokens against an authority of our own, and when it is not there."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path

import pytest

from oncall_incident.evidence import checks, sealing, times, timestamp
from tests.support.until import until
from tests.support.wrapper import command

from .conftest import Authority, Case, openssl, said


def test_a_token_proves_when(tmp_path: Path, authority: Authority) -> None:
    before = times.now() - datetime.timedelta(seconds=2)
    case = Case(tmp_path / "home", url=authority.url)
    verdict = case.check(ca=authority.ca)
    assert verdict.status == checks.PROVEN, said(verdict)
    (at,) = verdict.times
    assert before <= times.parse(at) <= times.now() + datetime.timedelta(seconds=2)
    assert any("says the authority you trust" in statement.text for statement in verdict.statements)


def test_without_the_authoritys_certificate_no_time_is_claimed(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", url=authority.url)
    verdict = case.check()
    assert verdict.status == checks.PROVEN and verdict.times == ()
    assert any("proves nothing yet" in statement.text for statement in verdict.statements)


def test_the_token_of_an_authority_that_is_not_trusted(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", url=authority.url)
    other = tmp_path / "other"
    other.mkdir()
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=another ca",
        "-keyout", other / "key", "-out", other / "ca.pem",
    )
    verdict = case.check(ca=other / "ca.pem")
    assert verdict.status == checks.BROKEN and "proves no time" in said(verdict)


def test_a_key_that_expired_since_is_good_at_the_tokens_time(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", url=authority.url)
    (at,) = case.check(ca=authority.ca).times
    # Whole seconds; with a Z, as without one ssh-keygen takes them for local ones.
    expiry = times.parse(at) + datetime.timedelta(seconds=2)
    allowed = case.allowed.read_text()
    case.allowed.write_text(allowed.replace("namespaces=", f'valid-before="{expiry:%Y%m%d%H%M%S}Z",namespaces='))
    until(lambda: times.now() > expiry + datetime.timedelta(seconds=2), what="the key to expire", seconds=60)
    assert case.check(ca=authority.ca).status == checks.PROVEN
    assert case.check().status == checks.BROKEN, "without a time that is proven it has expired"
    early = times.parse(at) - datetime.timedelta(days=1)
    case.allowed.write_text(allowed.replace("namespaces=", f'valid-before="{early:%Y%m%d%H%M%S}Z",namespaces='))
    assert case.check(ca=authority.ca).status == checks.BROKEN
    case.allowed.write_text(allowed.replace("namespaces=", 'valid-after="20990101Z",namespaces='))
    assert case.check(ca=authority.ca).status == checks.BROKEN


def test_the_authoritys_password_is_sent_and_kept_nowhere(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", seal=False)
    scheme, _mark, host = authority.url.partition("://")
    done = command(case.home, "seal", case.incident.id, "--json", INCIDENT_TSA_URL=f"{scheme}://oncall:hunter2-hunter2@{host}")
    assert done.returncode == 0 and authority.authorization == "Basic " + base64.b64encode(b"oncall:hunter2-hunter2").decode()
    (seal,) = [path for _number, path in sealing.seals(case.incident.bundle)]
    facts = json.loads((seal / "seal.json").read_text())
    assert facts["authority"] == authority.url and len(facts["time"]) == 1
    gone = command(case.home, "close", case.incident.id, INCIDENT_TSA_URL="http://oncall:hunter2-hunter2@tsa.example.invalid/x")
    assert "cannot be reached" in gone.stdout + gone.stderr
    assert not any("hunter2" in text for text in (done.stdout, done.stderr, gone.stdout, gone.stderr))
    assert not [path for path in case.home.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


@pytest.mark.parametrize("push", ["webdav://oncall:hunter2-hunter2@127.0.0.1:9/x", "sftp://oncall:hunter2-hunter2@127.0.0.1:9/x"])
def test_the_copys_password_is_shown_and_kept_nowhere(push: str, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    done = command(case.home, "close", case.incident.id, INCIDENT_PUSH_URL=push)
    assert "not copied to" in done.stdout + done.stderr and "hunter2" not in done.stdout + done.stderr
    assert not [path for path in case.home.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_hashes_alone_can_be_stamped_too(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", seal=False)
    made = sealing.seal(case.incident, signers=[], authority=authority.url)
    assert len(made.stamped) == 1
    verdict = case.check(ca=authority.ca)
    assert verdict.status == checks.UNPROVEN and len(verdict.times) == 1


@pytest.mark.parametrize("answer", [b"", b"<html>no</html>"], ids=["nothing", "a page"])
def test_an_authority_that_answers_nonsense_costs_the_token_not_the_seal(answer: bytes, tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", seal=False)
    authority.answer = answer
    try:
        made = case.seal(url=authority.url)
    finally:
        authority.answer = None
    assert made.stamped == () and any(note.startswith("no time token: ") for note in made.notes)
    assert case.check().status == checks.PROVEN


def test_an_authority_that_answers_with_an_old_token_is_found_out(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "other").write_text("another file")
    timestamp.stamp(tmp_path / "other", url=authority.url, to=tmp_path / "other.tsr")
    authority.answer = (tmp_path / "other.tsr").read_bytes()
    try:
        with pytest.raises(timestamp.NoToken, match="stamped something else"):
            (tmp_path / "mine").write_text("mine")
            timestamp.stamp(tmp_path / "mine", url=authority.url, to=tmp_path / "mine.tsr")
    finally:
        authority.answer = None


def test_an_authority_that_is_not_there(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", seal=False)
    done = command(case.home, "close", case.incident.id, "--json", INCIDENT_TSA_URL="http://127.0.0.1:9/")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["stamped"] == [] and any("cannot be reached" in note for note in data["notes"])


def test_the_command_takes_a_token_and_checks_it(tmp_path: Path, authority: Authority) -> None:
    case = Case(tmp_path / "home", seal=False)
    assert command(case.home, "seal", case.incident.id, INCIDENT_TSA_URL=authority.url).returncode == 0
    done = command(case.home, "verify", case.incident.id, "--tsa-ca", str(authority.ca), "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)["times"]) == 1
