# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios are the collection's playbooks; a mistyped one is answered with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncall_incident.errors import Stop
from oncall_incident.running.scenarios import choose, listed


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    books = tmp_path / "playbooks"
    books.mkdir()
    (books / "db_recovery.yml").write_text("# SPDX\n# description: Bring a database back\n- name: First\n  hosts: x\n")
    (books / "redis_recovery.yml").write_text("- name: 'Look at Redis'\n  hosts: x\n")
    (books / "_part.yml").write_text("- name: part\n")
    return tmp_path


def test_names_have_dashes_and_descriptions_come_from_the_files(collection: Path) -> None:
    assert [(item.name, item.description, item.playbook) for item in listed(collection)] == [
        ("db-recovery", "Bring a database back", "oncall.incident.db_recovery"),
        ("redis-recovery", "Look at Redis", "oncall.incident.redis_recovery"),
    ]


@pytest.mark.parametrize("name", ["db-recovery", "db_recovery", "oncall.incident.db_recovery"])
def test_every_spelling_is_the_same_scenario(name: str, collection: Path) -> None:
    assert choose(name, collection=collection, cwd=collection).playbook == "oncall.incident.db_recovery"


def test_a_playbook_file_is_accepted(collection: Path) -> None:
    chosen = choose("playbooks/_part.yml", collection=collection, cwd=collection)
    assert (chosen.name, chosen.playbook) == ("part", str(collection / "playbooks" / "_part.yml"))


def test_a_mistyped_one_is_answered_with_what_was_meant(collection: Path) -> None:
    with pytest.raises(Stop) as stopped:
        choose("db-recovry", collection=collection, cwd=collection)
    assert "Did you mean db-recovery?" in stopped.value.hint
    with pytest.raises(Stop, match=r"nowhere\.yml: there is no such playbook file"):
        choose("nowhere.yml", collection=collection, cwd=collection)


def test_a_scenario_that_only_looks_says_so(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "all_good.yml").write_text("# description: looks\n# phases: investigate\n- name: x\n")
    (tmp_path / "playbooks" / "cure.yml").write_text("# description: cures\n- name: x\n")
    looks, cures = listed(tmp_path)
    assert looks.only_looks and tuple(looks.phases) == ("investigate",)
    assert not cures.only_looks and tuple(cures.phases) == ("investigate", "mitigate", "verify")
