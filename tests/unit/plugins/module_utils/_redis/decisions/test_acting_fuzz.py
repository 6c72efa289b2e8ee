# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a server writes about its clients and itself: no crash, and what is not understood allows nothing."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.cache import glob, require_pattern
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.clients import KillPolicy, KillRule, choose, parse_clients
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.safety import UNSEEN, restart_obstacles, view_from

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")
given = hypothesis.given

FIELDS = st.sampled_from(["id", "addr", "name", "flags", "idle", "age", "omem", "sub", "psub", "user", "cmd", "new-field"])
WORDS = st.one_of(st.text(max_size=20), st.integers().map(str), st.sampled_from(["N", "S", "-1", "", "=", "999999999999999999999"]))
LINES = st.lists(st.tuples(FIELDS, WORDS).map("=".join), max_size=12).map(" ".join)


@given(st.one_of(st.text(), st.lists(LINES, max_size=5).map("\n".join)))
def test_client_lists(text: str) -> None:
    clients = parse_clients(text)
    choice = choose(clients, KillRule(min_idle=0, min_output=0), KillPolicy(own_id=1))
    assert all("S" not in client.flags or "O" in client.flags for client, _why in choice.candidates)
    assert all(client.flags and client.id != 1 for client, _why in choice.candidates), "who says nothing of itself is left alone"


@given(st.dictionaries(
    st.sampled_from(["role", "rdb_changes_since_last_save", "rdb_last_bgsave_status", "aof_enabled", "connected_slaves", "db0", "x"]),
    WORDS,
), st.one_of(st.none(), st.text(max_size=20)))
def test_infos(info: dict[str, str], save: object) -> None:
    seen = view_from(info, save=save)  # type: ignore[arg-type]
    if seen.replicas is None or seen == UNSEEN:
        assert restart_obstacles(seen), "what cannot be seen counts as there"


@given(st.text(alphabet="ab*?[]^-\\:", max_size=12), st.text(alphabet="ab:]^-\\", max_size=12))
def test_patterns(pattern: str, key: str) -> None:
    glob(pattern).fullmatch(key)
    if not set(pattern) & set("*?[\\"):
        assert bool(glob(pattern).fullmatch(key)) is (pattern == key)


@given(st.text(alphabet="*?", max_size=6))
def test_a_pattern_of_everything_is_never_taken(pattern: str) -> None:
    try:
        require_pattern(pattern)
    except Exception as exc:
        assert "pattern" in str(exc)
    else:
        raise AssertionError(pattern)
