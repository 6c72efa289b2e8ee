# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Redis server may be restarted, and the same verdict again from its record."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.restart import CHECK, OnDisk, RestartSeen, decide
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.safety import UNSEEN, RestartView
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.identity import Judged

from tests.support.decided import decided_again

SAVED = RestartView(
    role="master", changes=0, save_ok=True, saves=True, aof=False, aof_ok=True, replicas=0, keys=4, saved=True, no_cache=None,
)
HERE = Judged(listening=True, process=812, speaks=True)
GONE = Judged(listening=False, answered=False)


def unit(pid: int) -> dict[str, Any]:
    return {"instances": [{"id": "redis.service", "type": "notify", "state": "active" if pid else "inactive", "main_pid": pid}]}


REFUSED = Skipped(CHECK, "Nobody answers.", "Look whether it runs.")


@pytest.mark.parametrize(("seen", "accept", "status", "said"), [
    (RestartSeen(SAVED, HERE), False, "ok", "nothing is in the way"),
    (RestartSeen(SAVED, HERE, service=unit(812), port=6379), False, "ok", "nothing is in the way"),
    (RestartSeen(SAVED, HERE, service=unit(813), port=6379), False, "critical", "it is not shown that redis.service is this server"),
    (RestartSeen(RestartView(**{**SAVED.as_dict(), "changes": 7, "save_ok": False}), HERE), False, "critical", "7 changes"),
    (RestartSeen(RestartView(**{**SAVED.as_dict(), "saves": None, "saved": False}), HERE,
                 hidden=Skipped(CHECK, "SCAN is forbidden.")), False, "unknown", "cannot be seen"),
    (RestartSeen(UNSEEN, HERE, refused=REFUSED), False, "unknown", "does not answer"),
    (RestartSeen(UNSEEN, HERE, refused=REFUSED), True, "ok", "nothing is in the way. It costs: it does not answer"),
    (RestartSeen(UNSEEN, HERE, refused=REFUSED, memory=4096, kept=OnDisk(
        "/var/lib/redis", (("dump.rdb", 17, 1.5e9), ("old.rdb", 9, 1.4e9)))),
     True, "ok", ("It costs: its process holds 4096 bytes of memory, and how much of that is on disk cannot be seen; /var/lib/redis has "
                  "dump.rdb (17 bytes) of 2017-07-14T02:40:00Z")),
    (RestartSeen(RestartView(**{**SAVED.as_dict(), "saves": False, "saved": False, "keys": 50000, "no_cache": ("x",)}), HERE), True, "ok",
     "It costs: 50000 keys are lost"),
    (RestartSeen(UNSEEN, GONE, refused=REFUSED, service=unit(0), port=6379, configured=(6379,),
                 kept=OnDisk("/var/lib/redis", (("dump.rdb", 17, 1.5e9),))), False, "ok", "dump.rdb (17 bytes"),
    (RestartSeen(UNSEEN, GONE, refused=REFUSED, service=unit(0), port=6379, configured=(6380,)), False, "critical", "port 6380"),
])
def test_each_verdict_is_made_again(seen: RestartSeen, accept: bool, status: str, said: str) -> None:
    judged = decide(seen, accept)
    assert judged.verdict.statuses() == {CHECK: status}
    assert any(said in str(one.observed) for one in judged.verdict.findings)
    assert decided_again(judged.basis).checks == {CHECK: status}
