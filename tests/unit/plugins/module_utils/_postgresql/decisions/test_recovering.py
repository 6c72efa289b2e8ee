# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.probe import refused_for_good
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.recovering import MEASURED, help_wanted, verify_checks
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.settings import log_path


@pytest.mark.parametrize(("named", "query", "awaited", "added"), [
    (["blocking"], "", ["blocking"], []),
    ("blocking, vacuum", "", ["blocking", "vacuum"], ["vacuum"]),
    (["blocking"], "SELECT 1", ["blocking", "probe"], ["probe"]),
    (["probe", "probe"], "SELECT 1", ["probe"], ["probe"]),
])
def test_checks_of_verify(named: Any, query: str, awaited: list[str], added: list[str]) -> None:
    assert verify_checks(named, probe_query=query) == {"awaited": awaited, "measured": [*MEASURED, *added]}


def test_an_empty_list_names_no_check() -> None:
    with pytest.raises(BadInput, match="postgres_verify_checks"):
        verify_checks([], probe_query="")
    assert verify_checks([], probe_query="SELECT 1")["awaited"] == ["probe"]


def test_what_the_incident_stays_in_is_not_measured() -> None:
    assert not {"statements", "vacuum", "database_size", "unused_indexes", "sequential_scans"} & set(MEASURED)


@pytest.mark.parametrize(("failed", "start", "found"), [
    ({"error": "slots_exhausted"}, True, "restart_service"), ({"error": "slots_exhausted"}, False, "restart_service"),
    ({"error": "refused"}, True, "restart_database"), ({"error": "no_socket"}, True, "restart_database"),
    ({"error": "refused"}, False, "failure"), ({"error": "wrong_password"}, True, "failure"), ({"msg": "x"}, True, "failure"),
    ({}, True, "failure"),
])
def test_what_a_failure_asks_others_for(failed: dict[str, Any], start: bool, found: str) -> None:
    assert help_wanted(failed, start=start) == found


@pytest.mark.parametrize(("settings", "data", "configured", "path"), [
    ({"logging_collector": "on", "log_directory": "log"}, "/data", "", "/data/log"),
    ({"logging_collector": "on", "log_directory": "/var/log/pg"}, "/data", "", "/var/log/pg"),
    ({"logging_collector": "off", "log_directory": "log"}, "/data", "", ""),
    ({"logging_collector": "on", "log_directory": "log"}, "", "", ""), ({"logging_collector": "on"}, "/data", "", ""),
    ({}, "", "/log", "/log"), ({"logging_collector": "on", "log_directory": "log"}, "/data", "/log", "/log"),
])
def test_where_the_log_is(settings: dict[str, Any], data: str, configured: str, path: str) -> None:
    assert log_path(settings, data_directory=data, configured=configured) == path


def test_only_a_final_refusal_of_the_probe_counts() -> None:
    findings = [
        Finding("probe", "unknown", hint="Not now.", detail={"final": False}), Finding("blocking", "ok", hint="x", detail={"final": True}),
        Finding("probe", "ok"),
    ]
    assert refused_for_good(findings) == ""
    assert refused_for_good([*findings, Finding("probe", "unknown", hint="Never.", detail={"final": True})]) == "Never."


@pytest.mark.parametrize("named", ["", " , ", None])
def test_a_probe_alone_is_asked_for_by_an_empty_list_only(named: Any) -> None:
    with pytest.raises(BadInput, match="names no check"):
        verify_checks(named, probe_query="SELECT 1")
    assert verify_checks([], probe_query="SELECT 1")["awaited"] == ["probe"]
