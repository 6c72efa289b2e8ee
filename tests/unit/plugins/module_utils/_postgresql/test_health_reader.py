# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sessions blind which checks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("psycopg")

from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_probe import Prober
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_reader import Reader, Request

QUIET = Backend(pid=1, user="app", state="disabled")
DUMP = Backend(pid=2, user="app", state="disabled", application_name="pg_dump")
HIDDEN = Backend(pid=3, user="theirs", backend_type=None, readable=False)
PROVIDERS = Backend(pid=4, user="rdsadmin", backend_type=None, readable=False)
WORKER = Backend(pid=5, user=None, backend_type="autovacuum worker")
PLAIN = Backend(pid=6, user="app", state="idle")


def reader(version: int) -> Reader:
    session: Any = SimpleNamespace(server_version=version, backend_pid=99, is_superuser=False)
    found = Reader(session, Request(checks=(), limits={}), Prober((), lambda _login: session))
    found.__dict__["backends"] = [QUIET, DUMP, HIDDEN, PROVIDERS, WORKER, PLAIN]
    return found


@pytest.mark.parametrize(("version", "waiters"), [(130000, [1, 3]), (140000, [3]), (180000, [3])])
def test_which_sessions_tell_nothing(version: int, waiters: list[int]) -> None:
    found = reader(version)
    assert [one.pid for one in found.connected] == [1, 2, 3, 4, 6], "a hidden session takes a connection too"
    assert [one.pid for one in found.silent] == [1, 3], "a backup's and a provider's are told anyway, and not judged"
    assert [one.pid for one in found.silent_waiters] == waiters
