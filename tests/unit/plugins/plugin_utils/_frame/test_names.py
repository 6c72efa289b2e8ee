# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt names are found, other people's are left alone."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.names import near_misses, not_read, say_not_read

KNOWN = {
    "postgres_max_victims", "postgres_min_query_age", "postgres_via", "postgres_login_host", "postgres_login_port", "postgres_strategy",
    "postgres_verify_checks", "postgres_min_idle_in_transaction_age",
}


@pytest.mark.parametrize(("given", "meant"), [
    ("postgres_max_victim", "postgres_max_victims"),
    ("postgres_maxvictims", "postgres_max_victims"),
    ("postgres_victims_max", "postgres_max_victims"),
    ("postgres_min_qeury_age", "postgres_min_query_age"),
    ("postgres_loginhost", "postgres_login_host"),
    ("postgres_stratgy", "postgres_strategy"),
    ("postgres_verify_check", "postgres_verify_checks"),
    ("postgres_min_idle_in_transction_age", "postgres_min_idle_in_transaction_age"),
])
def test_slips_are_found(given: str, meant: str) -> None:
    assert near_misses([given, "postgres_via"], known=KNOWN, prefix="postgres_") == {given: meant}


@pytest.mark.parametrize("given", [
    "postgres_via", "postgres_host", "postgres_version", "postgres_backup_dir", "postgres_exporter_port", "postgresql_max_victim",
    "max_victim", "service_max_victim",
])
def test_others_are_left_alone(given: str) -> None:
    assert near_misses([given], known=KNOWN, prefix="postgres_") == {}


OTHERS = {"postgres_host": "postgres_login_host", "postgres_hostname": "postgres_login_host", "postgres_port": "postgres_login_port"}


@pytest.mark.parametrize(("given", "found"), [
    (["postgres_host"], {"postgres_host": "postgres_login_host"}),
    (["postgres_host", "postgres_hostname"], {"postgres_host": "postgres_login_host", "postgres_hostname": "postgres_login_host"}),
    (["postgres_host", "postgres_login_port"], {"postgres_host": "postgres_login_host"}),
    (["postgres_host", "postgres_login_host"], {}),
    (["postgres_login_host", "postgres_version", "redis_host"], {}),
    ([], {}),
])
def test_names_that_others_use_are_found_unless_ours_is_given_too(given: list[str], found: dict[str, str]) -> None:
    assert not_read(given, others=OTHERS) == found


@pytest.mark.parametrize(("hosts", "said"), [
    ([], "postgres_host is not read"),
    (["db1"], "postgres_host (db1) is not read"),
    (["a", "b", "c", "d", "e"], "postgres_host (a, b, c, d, e) is not read"),
    (["a", "b", "c", "d", "e", "f", "g"], "postgres_host (a, b, c, d, e and 2 more) is not read"),
])
def test_the_sentence_names_both_names_and_the_way_out(hosts: list[str], said: str) -> None:
    assert say_not_read("postgres_host", "postgres_login_host", hosts) == (
        f"{said} by oncall.incident; set postgres_login_host (set it as well if postgres_host belongs to another role)."
    )
