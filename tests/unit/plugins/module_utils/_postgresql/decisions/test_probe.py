# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may run the caller's own query."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.probe import (
    Rights,
    advice,
    is_built_in,
    refusal,
    remedy,
)


@pytest.mark.parametrize(("rights", "said"), [
    (Rights("dba", superusers=("dba",)), "not run as dba, which is a superuser"),
    (Rights("app", superusers=("dba",)), "not run as app, which may become the superuser dba"),
    (Rights("app", roles=("pg_read_server_files",)), "a member of pg_read_server_files:"),
    (Rights("app", roles=("pg_execute_server_program", "pg_read_server_files", "pg_signal_backend")),
     "a member of pg_execute_server_program and pg_read_server_files:"),
])
def test_who_is_refused(rights: Rights, said: str) -> None:
    assert said in refusal(rights)


def test_who_may_and_who_should_be_another() -> None:
    small, strong = Rights("app"), Rights("app", roles=("pg_signal_backend",))
    assert (refusal(small), advice(small), refusal(strong)) == ("", "", "")
    assert "a member of pg_signal_backend: code of the tables' owners can end sessions by it" in advice(strong)
    assert "app, which has CREATEROLE: code of the tables' owners can grant roles by it" in advice(Rights("app", createrole=True))
    both = Rights("app", roles=("pg_signal_backend",), createrole=True)
    assert refusal(both) == "" and "pg_signal_backend and which has CREATEROLE" in advice(both)


@pytest.mark.parametrize("text", [advice(Rights("oncall", roles=("pg_signal_backend",))), remedy()])
def test_the_role_to_make_and_where_to_name_it_are_said(text: str) -> None:
    assert "CREATE ROLE oncall_probe LOGIN" in text and "GRANT SELECT ON" in text and "postgres_probe_login_user" in text


def test_a_refusal_fits_on_the_screen() -> None:
    """The screen shows 300 characters of a hint."""
    assert len(f"{refusal(Rights('postgres', superusers=('postgres',)))} {remedy()}") < 300


@pytest.mark.parametrize(("query", "built_in"), [
    ("SELECT 1", True), ("select 1;", True), ("\n Select\t1 ;\n", True), ("SELECT 1 FROM orders", False), ("SELECT 11", False),
    ("SELECT 1; SELECT 2", False), ("SELECT 1;;", False), ("SELECT 1 -- x", False), ("", False),
])
def test_only_the_literal_select_1_is_built_in(query: str, built_in: bool) -> None:
    assert is_built_in(query) is built_in
