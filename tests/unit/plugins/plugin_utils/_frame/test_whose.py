# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine answered: one and the same, its container, its clone, somebody else's."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import whose
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.whose import Machine

HERE = Machine("responder.example.org", "a" * 32, "11111111-2222-3333-4444-555555555555", "pid:[4026531836]")
OTHER_BOOT = "99999999-2222-3333-4444-555555555555"


@pytest.mark.parametrize(("different", "same"), [
    ({}, True),
    ({"hostname": "postgres"}, True),  # a name is only a name
    ({"machine_id": ""}, True),
    ({"pid_namespace": ""}, True),
    ({"pid_namespace": "pid:[4026532999]"}, False),  # a container, also one with a cloned or an empty machine id
    ({"pid_namespace": "pid:[4026532999]", "machine_id": ""}, False),
    ({"machine_id": "b" * 32}, False),  # a root of its own that shares the processes
    ({"boot_id": OTHER_BOOT}, False),  # a clone: the same image, and the initial namespace has one number everywhere
    ({"boot_id": OTHER_BOOT, "hostname": "responder.example.org"}, False),
    ({"boot_id": ""}, True),  # another kind of Unix, or a /proc that cannot be read: equal names are enough
    ({"boot_id": "", "machine_id": "b" * 32}, True),
    ({"boot_id": "", "hostname": "RESPONDER.example.org", "machine_id": ""}, True),
    ({"boot_id": "", "hostname": "postgres"}, True),  # and so is an equal machine id
    ({"boot_id": "", "hostname": "postgres", "machine_id": ""}, False),
    ({"boot_id": "", "hostname": "", "machine_id": ""}, False),  # that it tells nothing is another question
])
def test_is_same(different: dict[str, str], same: bool) -> None:
    assert whose.is_same(dataclasses.replace(HERE, **different), HERE) is same


def test_machines_without_a_boot_id_are_told_apart_by_their_names() -> None:
    one = Machine(hostname="mac1")
    assert whose.is_same(one, one) and not whose.is_same(Machine(hostname="mac2"), one)


def test_a_controller_without_a_boot_id() -> None:
    here = dataclasses.replace(HERE, boot_id="")
    assert whose.is_same(HERE, here) and not whose.is_same(Machine("postgres", "b" * 32, OTHER_BOOT), here)


@pytest.mark.parametrize(("machine", "is_told"), [
    (HERE, True), (Machine(hostname="mac1"), True), (Machine(machine_id="a" * 32), True), (Machine(boot_id=OTHER_BOOT), True),
    (Machine(), False), (Machine(pid_namespace="pid:[4026531836]"), False),
])
def test_a_machine_that_tells_nothing_is_not_called_another(machine: Machine, is_told: bool) -> None:
    assert whose.is_told(machine) is is_told
    assert ("controller" in whose.told(machine, controller=False)) is is_told


@pytest.mark.parametrize(("host", "called"), [
    ("localhost", True), ("127.0.0.1", True), ("::1", True), ("responder.example.org", True), ("RESPONDER", True), ("postgres", False),
    ("example", False), ("", False),
])
def test_is_called(host: str, called: bool) -> None:
    assert whose.is_called(host, HERE) is called


def test_a_shell_answers_the_question() -> None:
    said = subprocess.run(["sh", "-c", whose.QUESTION], capture_output=True, text=True, timeout=60, check=True).stdout
    clock, machine = whose.heard(f"Welcome!\n{said}")
    assert clock is not None and clock > 1.6e9
    assert machine == whose.here()


@pytest.mark.parametrize("answer", ["", "hostname=a b\nmachine_id=../../x\nboot_id=\x1b[2J\npid_namespace=pid:[x]\nclock=soon", "=\n==\n"])
def test_what_is_of_no_form_is_not_told(answer: str) -> None:
    assert whose.heard(answer) == (None, Machine())


@pytest.mark.parametrize(("said", "clock"), [
    ("clock=1700000000.", 1.7e9), ("clock=1700000000.N", 1.7e9), ("clock=1700000000.25", 1.7e9 + 0.25),
])
def test_clocks_of_every_date(said: str, clock: float) -> None:
    assert whose.heard(said)[0] == clock
