# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A missing library is named."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("ansible")

from ansible_collections.oncall.incident.plugins.module_utils._postgresql import library

from tests.support.run_module import run_module


@pytest.mark.parametrize(("version", "said"), [((), "python3-psycopg"), ((3, 0, 18), "Found: 3.0.18.")])
def test_a_library_that_is_missing_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], said: str) -> None:
    monkeypatch.setattr(library, "PSYCOPG_VERSION", version)
    result = run_module("pg_terminate_long_queries", login_password="hush-hush")
    assert (result["failed"], result["error"]) == (True, "missing_library")
    assert said in result["msg"] and "postgres_via: controller" in result["hint"]
    assert "hush" not in json.dumps(result)
