# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oncall_incident.errors import Stop
from oncall_incident.running.request import Request, check_answer, check_files, check_inventory, check_passed, check_tags, within


@pytest.mark.parametrize("arguments", [
    ["--check"], ["-C"], ["--tags", "x"], ["--tag=x"], ["-t", "x"], ["--skip-tags=x"], ["--start-at-task", "x"], ["--start-at", "x"],
    ["--step"],
    ["--list-hosts"], ["--list-t"], ["--syntax-check"], ["-e", "a=b"], ["-ea=b"], ["--extra-vars=a=b"], ["-i", "hosts"], ["-DC"], ["-bC"],
    ["--diff", "--check"], ["-K"], ["--ask-become-pass"], ["-h"], ["--version"],
])
def test_what_would_change_the_plan_is_not_passed_through(arguments: list[str]) -> None:
    with pytest.raises(Stop, match="cannot be passed through") as refused:
        check_passed(arguments)
    assert int(refused.value.status) == 2


@pytest.mark.parametrize("arguments", [
    [], ["--diff"], ["-D"], ["--become-user", "postgres"], ["--ssh-common-args=-o X=y"], ["-T", "5"], ["-c", "ssh"],
])
def test_other_arguments_pass(arguments: list[str]) -> None:
    check_passed(arguments)


@pytest.mark.parametrize("arguments", [["other.yml"], ["--diff", "other.yml"], ["--become-user=x", "other.yml"], ["-D", "other.yml"]])
def test_a_second_playbook_is_refused(arguments: list[str]) -> None:
    with pytest.raises(Stop, match=r"other\.yml: incident run takes one scenario"):
        check_passed(arguments)


def test_phases_keep_their_order_and_further_tags_go_along() -> None:
    request = Request("x", tags=["verify", "extra", "investigate"])
    assert request.phases == ("investigate", "verify")
    assert request.further_tags == ("extra",)
    assert Request("x", tags=["extra"]).phases == ("investigate", "mitigate", "verify")


def test_a_phase_cannot_be_skipped_by_its_tag() -> None:
    with pytest.raises(Stop, match="verify"):
        check_tags(Request("x", skip_tags=["slow,verify"]))


@pytest.mark.parametrize(("tag", "meant"), [("mitgate", "mitigate"), ("Verify", "verify"), ("investigation", "investigate")])
def test_a_mistyped_phase_is_no_further_tag(tag: str, meant: str) -> None:
    with pytest.raises(Stop) as caught:
        check_tags(Request("x", tags=[tag]))
    assert tag in caught.value.message and meant in str(caught.value.hint)


def test_further_tags_are_the_playbooks_own() -> None:
    check_tags(Request("x", tags=["mitigate", "database", "never"]))


def test_an_inventory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="-i nowhere: there is no such inventory"):
        check_inventory(Request("x", inventories=["nowhere"]), configured=None, cwd=tmp_path)
    check_inventory(Request("x", inventories=["db1.example.org,"]), configured=None, cwd=tmp_path)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="--private-key key"):
        check_files(Request("x", private_key="key"), cwd=tmp_path)


def test_arguments_of_ansible() -> None:
    request = Request(
        "x", inventories=["a", "b"], limit="db1", user="ops", become=True, ask=["--ask-become-pass"], forks=3, verbosity=2,
        passed=["--diff"],
    )
    assert request.ansible_arguments() == [
        "-i", "a", "-i", "b", "--limit", "db1", "--user", "ops", "--forks", "3", "--become", "--ask-become-pass", "-vv", "--diff",
    ]


@pytest.mark.parametrize(("name", "refused"), [("hosts", True), ("hosts.ini", True), ("hosts.yml", False)])
def test_a_byte_order_mark_is_named_where_ansible_would_take_it_for_text(name: str, refused: bool, tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / name).write_bytes(b"\xef\xbb\xbf[db]\ndb1.example.org\n")
    for inventory in ("prod", f"prod/{name}"):
        if not refused:
            check_inventory(Request("x", inventories=[inventory]), configured=None, cwd=tmp_path)
            continue
        with pytest.raises(Stop, match=f"{name} begins with a byte order mark"):
            check_inventory(Request("x", inventories=[inventory]), configured=None, cwd=tmp_path)


@pytest.mark.parametrize("more", [{"yes": True}, {"check": True}, {"tags": ["investigate"]}, {"tags": ["verify"]}])
def test_who_need_not_be_asked_needs_no_terminal(more: dict[str, Any]) -> None:
    check_answer(Request("x", **more), can_ask=False)
    check_answer(Request("x"), can_ask=True)
    with pytest.raises(Stop, match="Nobody can be asked to approve the plan"):
        check_answer(Request("x"), can_ask=False)


def test_a_scenario_narrows_the_phases_to_its_own() -> None:
    looking = ("investigate",)
    assert within(Request(scenario="health"), scenario="health", phases=looking).phases == looking
    asked = within(Request(scenario="health", tags=["investigate", "more"]), scenario="health", phases=looking)
    assert asked.phases == looking and asked.further_tags == ("more",)
    more = within(Request(scenario="health", tags=["more"]), scenario="health", phases=looking)
    assert more.phases == looking and more.further_tags == ("more",)
    with pytest.raises(Stop, match=r"--tags mitigate: health has no such phase\."):
        within(Request(scenario="health", tags=["mitigate"]), scenario="health", phases=looking)
    assert within(Request(scenario="x"), scenario="x", phases=("investigate", "mitigate", "verify")).tags == ()
