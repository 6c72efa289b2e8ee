# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is configured: the environment before the store's file, and what neither may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncall_incident.errors import Stop
from oncall_incident.evidence import settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in settings._KEYS.values():
        monkeypatch.delenv(variable, raising=False)


def test_nothing_configured(tmp_path: Path) -> None:
    found = settings.load(tmp_path)
    assert (found.policy, found.authority, found.push_url, found.retain, found.lock_mode) == ("default", None, None, None, "GOVERNANCE")


def test_the_file_and_before_it_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "policy: servio\npush_url: s3://a/b\nretain: 365d\nlock_mode: compliance\nsign_key: [one, two]\n"
    (tmp_path / "evidence.yml").write_text(text)
    found = settings.load(tmp_path)
    assert (found.policy, found.push_url, found.retain, found.lock_mode) == ("servio", "s3://a/b", 365 * 86400.0, "COMPLIANCE")
    assert found.environ["INCIDENT_SIGN_KEY"] == "one:two"
    monkeypatch.setenv("INCIDENT_POLICY", "chitlaq")
    assert settings.load(tmp_path).policy == "chitlaq"


def test_the_stores_own_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text("name: own\nlevels: [{name: A}]\n")
    assert settings.load(tmp_path).policy == str(tmp_path / "policy.yml")


@pytest.mark.parametrize(("text", "words"), [
    ("polcy: x\n", "'polcy' is not known"), ("- a\n", "it is not a mapping"), ("a: [", "cannot be read"), ("retain: soon\n", "retain"),
    ("lock_mode: maybe\n", "lock_mode"),
])
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "evidence.yml").write_text(text)
    with pytest.raises(Stop, match=words):
        settings.load(tmp_path)
