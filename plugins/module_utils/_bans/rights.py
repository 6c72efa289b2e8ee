# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about bans need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CAPABILITY, CHANGE, FILE, LOOK, ROOT, SOCKET, Chapter, Needs, Right
from .decisions.access import CHECKS as ACCESS_CHECKS
from .decisions.access import DAEMON
from .decisions.banning import VERB as BAN
from .decisions.health import CHECKS, OF_RULES
from .decisions.unbanning import END_HOLD
from .decisions.unbanning import VERB as UNBAN

_SOCKET = "<socket of fail2ban>: read and write"
_NET_ADMIN = "CAP_NET_ADMIN"
_CROWDSEC = "/etc/crowdsec/local_api_credentials.yaml: read"
_FAILS = "The module fails: the daemon may not be asked."
_CRITICAL = "`server` is `critical`, with what cscli said, and the other checks are `unknown`."
_BLIND = "The module fails with `blind`."
#: fail2ban's own modules say so where the socket is not theirs.
_NAMED = "client_command"

CHAPTER = Chapter(5, "fail2ban and CrowdSec", (
    Needs("fail2ban_health", LOOK, CHECKS, (
        Right(SOCKET, _SOCKET, CHECKS, "The module fails with `permission`.", named=_NAMED),
        Right(FILE, _CROWDSEC, CHECKS, _CRITICAL, when="CrowdSec bans", on="CrowdSec"),
        Right(CAPABILITY, _NET_ADMIN, OF_RULES, "The checks are `unknown`, `could_not_look`."),
        Right(FILE, "<database of fail2ban>: read", ("database",), "The check is `unknown`, `could_not_look`.", named="database"),
    )),
    Needs("access_health", LOOK, ACCESS_CHECKS, (
        Right(SOCKET, _SOCKET, (DAEMON,), "The check is `critical`.", named=_NAMED),
        Right(FILE, _CROWDSEC, (DAEMON,), "The check is `critical`.", when="CrowdSec bans", on="CrowdSec"),
        Right(CAPABILITY, _NET_ADMIN, ACCESS_CHECKS, _BLIND),
    )),
    Needs("fail2ban_ban", CHANGE, (BAN,), (
        Right(SOCKET, _SOCKET, (BAN,), _FAILS, named=_NAMED),
        Right(FILE, _CROWDSEC, (BAN,), _FAILS, when="CrowdSec bans", on="CrowdSec"),
        Right(CAPABILITY, _NET_ADMIN, (BAN,), _BLIND),
    )),
    Needs("fail2ban_unban", CHANGE, (UNBAN, END_HOLD), (
        Right(SOCKET, _SOCKET, (UNBAN, END_HOLD), _FAILS, named=_NAMED),
        Right(FILE, _CROWDSEC, (UNBAN,), _FAILS, when="CrowdSec bans", on="CrowdSec"),
        Right(CAPABILITY, _NET_ADMIN, (UNBAN,), _BLIND),
        Right(ROOT, "root on this host, or a rule of polkit, for the timer of a hold", (UNBAN,),
              "Nothing is lifted: the action is `failed` (`not_tried`), with what systemd said.", named="the timer could not be made",
              when="hold is set"),
        Right(ROOT, "root on this host, or a rule of polkit, to stop the unit of a hold", (),
              "The entry is taken out, and `unit_left` says that the unit may still be there.", when="a hold is ended"),
    )),
), text="""
`become: true`, as root, has all of these. Without it, `client_command: [sudo, fail2ban-client]` with the line of sudoers below reaches
the daemon. Whoever may run it as root may make it run anything. The packet filter still takes CAP_NET_ADMIN, or `verify: []`, which
measures the daemon alone.
""", example="""
incident ALL=(root) NOPASSWD: /usr/bin/fail2ban-client
""")
