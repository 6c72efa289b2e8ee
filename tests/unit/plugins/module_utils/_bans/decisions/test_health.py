# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a daemon that bans, and the same again from its record."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.health import (
    CHECKS,
    DaemonSeen,
    JailSeen,
    Leftover,
    RulesSeen,
    Silent,
    absent,
    decide,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped

from tests.support.decided import decided_again

SSHD = JailSeen("sshd", banned=2, permanent=1, actions=("nftables-multiport",), logs=("/var/log/auth.log",), held=2, ruled=2)
READ = RulesSeen(read=True)
OK = dict.fromkeys(CHECKS, "ok")


def seen(*jails: JailSeen, **more: Any) -> DaemonSeen:
    daemon = {"name": "fail2ban", "version": "1.1.0", "via": "socket"}
    known: dict[str, Any] = {"daemon": daemon, "jailed": True, "stored": 2, "rules": READ}
    return DaemonSeen(jails=jails, **{**known, **more})


@pytest.mark.parametrize(("look", "check", "names"), [
    (seen(JailSeen("sshd", gone=("/var/log/none.log",))), "jail_log", "/var/log/none.log"),
    (seen(JailSeen("sshd", banned=4, held=4, missing=4, without_rule=("192.0.2.7", "192.0.2.8", "192.0.2.9"), actions=("iptables",))),
     "ban_rules", "192.0.2.7, 192.0.2.8, 192.0.2.9 and 1 more"),
    (seen(SSHD, rules=RulesSeen(read=True, left=1, leftovers=(Leftover("192.0.2.9", "sshd", "nftables"),))), "leftover_rules",
     "192.0.2.9"),
])
def test_what_it_is_about_stands_in_the_hint(look: DaemonSeen, check: str, names: str) -> None:
    (found,) = (one for one in decide(look, ("sshd",), 9, CHECKS).verdict.findings if one.check == check)
    assert names in found.hint


@pytest.mark.parametrize(("look", "differs"), [
    (seen(SSHD), {}),
    (DaemonSeen(silent=Silent("no_socket", "There is no socket.")), {**dict.fromkeys(CHECKS, "unknown"), "server": "critical"}),
    (seen(), {"jails": "critical", "jail_log": "unknown", "ban_rules": "unknown"}),
    (seen(JailSeen("sshd", gone=("/var/log/none.log",))), {"jail_log": "critical"}),
    (seen(SSHD, JailSeen("web", banned=9)), {"bans": "warning"}),
    (seen(SSHD, stored=None, unstored=absent("database", "no_database")), {"database": None}),
    (seen(SSHD, stored=None, unstored=Skipped("database", "It is locked.")), {"database": "unknown"}),
    (seen(SSHD, rules=None), {"ban_rules": None, "leftover_rules": None}),
    (seen(SSHD, rules=RulesSeen(unread=Skipped("ban_rules", "It takes root."))), {"ban_rules": "unknown", "leftover_rules": "unknown"}),
    (seen(JailSeen("sshd", banned=1, held=1, ruled=0, missing=1, without_rule=("192.0.2.7",), actions=("iptables",))),
     {"ban_rules": "critical"}),
    (seen(JailSeen("sshd", banned=1, held=1, ruled=0, missing=1, without_rule=("192.0.2.7",), actions=("iptables",)), rules=RulesSeen()),
     {"ban_rules": "unknown"}),
    (seen(JailSeen("sshd", banned=1, held=1, missing=1, actions=("mail",))), {"ban_rules": None}),
    (seen(SSHD, rules=RulesSeen(read=True, left=1, leftovers=(Leftover("192.0.2.9", "sshd", "nftables"),))), {"leftover_rules": "warning"}),
    (seen(JailSeen("crowdsecurity/ssh-bf", banned=1, held=1, ruled=1), jailed=False, stored=None),
     {"jails": "critical", "jail_log": None, "database": None}),
])
def test_each_verdict_is_made_again(look: DaemonSeen, differs: dict[str, str | None]) -> None:
    judged = decide(look, ("sshd",), 9, CHECKS)
    wanted = {check: status for check, status in {**OK, **differs}.items() if status}
    assert judged.verdict.statuses() == wanted
    assert decided_again(judged.basis).checks == wanted
