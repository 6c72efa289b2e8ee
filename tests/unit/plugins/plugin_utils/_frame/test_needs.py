# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the head of a scenario's playbook says that it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import needs
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.needs import Need

HEAD = """\
# description: x
# needs: library psycopg >= 3.1 (controller, if postgres_via=controller|kubernetes): pip install 'psycopg[binary]>=3.1'
# needs: program {postgres_kubectl_command} (controller, if postgres_via=kubernetes): https://kubernetes.io/docs/tasks/tools/
# needs: collection community.docker >= 5 (controller): ansible-galaxy collection install community.docker
# needs: program kubectl (host, if services.runtime=kubernetes): https://kubernetes.io/docs/tasks/tools/
# needs: a program
- name: Play
"""


def given(**values: Any) -> Callable[[str], Any]:
    return values.get


def test_a_head_is_read() -> None:
    library, program, collection, listed = needs.read(HEAD)
    assert library == Need("library", "psycopg", "controller", "pip install 'psycopg[binary]>=3.1'", least="3.1",
                           variable="postgres_via", values=("controller", "kubernetes"))
    assert (program.name, program.least, program.values) == ("{postgres_kubectl_command}", "", ("kubernetes",))
    assert (collection.kind, collection.least, collection.variable) == ("collection", "5", "")
    assert (listed.place, listed.variable) == ("host", "services.runtime")
    assert [str(one) for one in (library, program, listed)] == ["psycopg >= 3.1", "kubectl", "kubectl"]
    assert len(needs.lines(HEAD)) == 5, "what is not understood is a line all the same"


def test_who_needs_it() -> None:
    library, program, collection, listed = needs.read(HEAD)
    assert library.holds(given(postgres_via="kubernetes")) and not library.holds(given(postgres_via="host"))
    assert collection.holds(given())
    assert listed.holds(given(services=[{"name": "a"}, {"name": "b", "runtime": "kubernetes"}]))
    assert not listed.holds(given(services=[{"name": "b", "runtime": "kubernetes", "where": {"command": ["oc"]}}]))
    assert not listed.holds(given(services=[{"name": "a"}, "b"])) and not listed.holds(given())
    assert program.called(given(postgres_kubectl_command=["/opt/kubectl", "--context=a"])) == "/opt/kubectl"
    assert program.called(given(postgres_kubectl_command="oc --as x")) == "oc" and program.called(given()) == ""
    assert listed.called(given()) == "kubectl"


@pytest.mark.parametrize(("there", "least", "old"), [
    ("3.0.18", "3.1", True), ("3.1", "3.1", False), ("3.10.0", "3.9", False), ("5", "5.0.1", True), ("", "3", False), ("dev", "3", False),
    ("4.0.0rc1", "3", False), ("3.1", "", False),
])
def test_versions(there: str, least: str, old: bool) -> None:
    assert needs.too_old(there, least) is old


def test_what_is_said() -> None:
    library, _program, collection, _listed = needs.read(HEAD)
    assert needs.say(library, name="psycopg", hosts=["db1", "db2", "db3", "db4"], there="3.0") == (
        "The library psycopg 3.1 or newer is 3.0 here, on the controller (needed for db1, db2, db3 and 1 more, with "
        "postgres_via=controller|kubernetes). To install it: pip install 'psycopg[binary]>=3.1'"
    )
    said = needs.say(collection, name="community.docker", hosts=["a"])
    assert said.startswith("The collection community.docker 5 or newer is missing here")
