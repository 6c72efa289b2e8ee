# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt names are found, other people's are left alone."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.names import near_misses

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
