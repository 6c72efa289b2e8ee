# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A missing library, and secrets in results."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("ansible")

from ansible_collections.oncall.incident.plugins.module_utils._postgresql import library
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import hide_secrets, without_secrets

from tests.support.run_module import run_module


@pytest.mark.parametrize(("version", "said"), [((), "python3-psycopg"), ((3, 0, 18), "Found: 3.0.18.")])
def test_a_library_that_is_missing_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], said: str) -> None:
    monkeypatch.setattr(library, "PSYCOPG_VERSION", version)
    result = run_module("pg_terminate_long_queries", login_password="hush-hush")
    assert (result["failed"], result["error"]) == (True, "missing_library")
    assert said in result["msg"]
    assert "hush" not in json.dumps(result)


@pytest.mark.parametrize(("value", "expected"), [
    ("oncall.incident/actions/1", "oncall.incident/actions/1"),
    ("ALTER ROLE app PASSWORD 'incident'", "ALTER ROLE app PASSWORD '********'"),
    ({"query": "SELECT 'incident2' "}, {"query": "SELECT '********' "}),
    ([("a incident", 5, None)], [["a ********", 5, None]]),
])
def test_secrets_leave_texts_and_not_our_own_words(value: Any, expected: Any) -> None:
    assert hide_secrets(value, {"incident", "incident2"}) == expected


def test_secret_options_leave_the_invocation() -> None:
    params = {
        "login_user": "x", "login_password": "x", "alternate_logins": [{"login_password": "y", "login_port": 1}],
        "connect_params": {"sslpassword": "z"},
    }
    assert without_secrets(params) == {
        "login_user": "x", "login_password": "********", "alternate_logins": [{"login_password": "********", "login_port": 1}],
        "connect_params": {"sslpassword": "********"},
    }
