#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: failed_logins
short_description: Judge failed logins, and find logins that succeeded after them
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Reads what sshd, dropbear, PAM and Dovecot wrote about logins to the journal and to the authentication log, and says who failed how
    often and who got in. It only reads, at most O(max_kib) of each and for at most O(timeout).
  - Failures are judged by address, by network (/24 of IPv4, /64 of IPv6), by user, and in total.
  - A connection that ends in a login has not failed. Keys that an agent offers are not guesses, and a connection that only tried keys is
    counted once in C(failed) and not in C(guesses). Verdicts are about guesses.
  - The journal and the log often tell of the same events. They are not added up; the larger number of an address counts.
  - A log that begins after O(since) is read together with the file that was rotated away before it, unless that is compressed. Where both
    do not reach back, the checks are unknown. For F(/var/log/auth.log) and F(/var/log/secure) the journal of the same time is as good.
  - So on a new host without a journal they are unknown until its log is as old as O(since). A log that begins late and was never rotated
    may be new, and it may have been emptied.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [failed_logins, login_after_failures]
  fail_on:
    default: never
  since:
    description: How far back to look.
    type: str
    default: 1h
  journal:
    description: Whether to read the journal.
    type: bool
    default: true
  logs:
    description: Log files to read. Unless said, F(/var/log/auth.log) and F(/var/log/secure) where they are. An empty list reads none.
    type: list
    elements: path
  max_kib:
    description:
      - How much of the end of each is read at most, and of a rotated file. Of a log only what reaches back to O(since) is read.
      - Lines are counted as they are read. A million of them, of 200,000 addresses, took 170 MB of memory.
    type: int
    default: 262144
  timeout:
    description: How long reading the journal may take.
    type: str
    default: 30s
  warning_count:
    description: Guesses from one address, or from one network, that are a warning.
    type: int
    default: 10
  critical_count:
    description: Guesses from one address, or from one network, that are critical.
    type: int
    default: 100
  suspicious_count:
    description:
      - Guesses after which a login is critical. As many as O(critical_count) unless said.
      - They count from the address that got in, against the user that got in by a password, wherever they came from, and from the
        network of such a login where its address has failed too.
      - From an address that gets in more often than it fails, or by keys alone, it is a warning.
    type: int
  spread_warning_count:
    description: Guesses from all addresses together, or against one user, that are a warning. Five times O(warning_count) unless said.
    type: int
  spread_critical_count:
    description: The same, that are critical. Five times O(critical_count) unless said.
    type: int
  max_addresses:
    description: How many addresses, networks, users, and logins are returned, the worst first.
    type: int
    default: 50
seealso:
  - module: oncall.incident.fail2ban_ban
"""

EXAMPLES = r"""
- name: See who tries passwords
  oncall.incident.failed_logins:
    since: 30m
  register: logins
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: success
  type: str
status:
  description: The worst status of RV(findings).
  returned: success
  type: str
findings:
  description:
    - The check C(failed_logins), by the address with most guesses, and beside it by the network, the user, and all addresses together,
      where one of these is worse. C(login_after_failures) names each login that may be one of a guessed password.
    - A source that could not be read, or not back to O(since), makes both unknown, unless the journal says what a usual log does not.
    - So do lines of sshd that were not understood, where they would change the answer if each of them were a failed login.
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be read, or not to its end.
  returned: success
  type: list
  elements: dict
checks:
  description: The worst status of each check.
  returned: success
  type: dict
asked:
  description: The checks that had to be answered.
  returned: success
  type: list
  elements: str
healthy:
  description: Whether all of RV(asked) are C(ok) or C(warning). Null when that could not be seen, or nothing was asked.
  returned: success
  type: bool
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: with O(baseline)
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: with O(baseline)
  type: dict
held:
  description: Whether the awaited checks were good for as long as they should.
  returned: with O(wait_for)
  type: bool
waited:
  description: How long was waited, in seconds.
  returned: with O(wait_for)
  type: float
polls:
  description: How often was looked.
  returned: with O(wait_for)
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: with O(wait_for)
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: with O(wait_for)
  type: str
worst:
  description:
    - The addresses with most failures, with their count, first and last, users, and how often they got in.
    - C(guesses) leaves out connections that only tried keys, C(by_key) is how many logins were not by a password, and C(attacker) is false
      for an address without guesses, and for one that gets in more often than it guesses, or by keys alone.
  returned: success
  type: list
  elements: dict
users:
  description: The users whose passwords were tried most often.
  returned: success
  type: list
  elements: dict
networks:
  description: The networks with most guesses, with how many of their addresses guessed, and how often one of them got in.
  returned: success
  type: list
  elements: dict
  sample: [{network: 203.0.113.0/24, guesses: 240, addresses: 60, accepted: 0}]
got_in:
  description: Who got in by a password or what PAM asks for, those after most guesses first, with C(failed_before) by user, address,
    network, and in the connection itself.
  returned: success
  type: list
  elements: dict
total:
  description: Failures from all addresses.
  returned: success
  type: int
guesses:
  description: How many of them are guesses.
  returned: success
  type: int
addresses:
  description: How many addresses failed.
  returned: success
  type: int
left_out:
  description: How many addresses are not in RV(worst).
  returned: success
  type: int
since:
  description: From when on.
  returned: success
  type: str
read:
  description: What was read.
  returned: success
  type: list
  elements: str
lines_seen:
  description: Lines of sshd and dropbear since RV(since), of the source that has most of them.
  returned: success
  type: int
lines_understood:
  description:
    - How many of them are a login, a scan, or known to be neither.
    - Where it is less than RV(lines_seen), the counts are a lower bound.
  returned: success
  type: int
not_understood:
  description: Up to three of the other lines, as samples, without the names and quoted texts in them.
  returned: success
  type: list
  elements: str
scans:
  description: Addresses that connected without a login, such as scanners of key exchange, with how often. They are not failed logins.
  returned: success
  type: list
  elements: dict
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import Judged, answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.counting import picture
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import CHECKS, SPREAD, judge_logins
from ansible_collections.oncall.incident.plugins.module_utils._logins.sources import read_events
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "since": {"type": "str", "default": "1h"},
            "journal": {"type": "bool", "default": True},
            "logs": {"type": "list", "elements": "path"},
            "max_kib": {"type": "int", "default": 262144},
            "timeout": {"type": "str", "default": "30s"},
            "warning_count": {"type": "int", "default": 10},
            "critical_count": {"type": "int", "default": 100},
            "suspicious_count": {"type": "int"},
            "spread_warning_count": {"type": "int"},
            "spread_critical_count": {"type": "int"},
            "max_addresses": {"type": "int", "default": 50},
            **question_spec(default=CHECKS),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        question = question_from(params, checks=CHECKS, default=CHECKS, what="Logins")
        back, seconds = parse_duration(params["since"], name="since"), parse_duration(params["timeout"], name="timeout")

        def one_look() -> Judged:
            since = time.time() - back
            sources, skipped, read = read_events(
                journal=params["journal"], logs=params["logs"], since=since, max_bytes=max(params["max_kib"], 1) * 1024, seconds=seconds,
            )
            seen = picture(sources)
            warning, critical = params["warning_count"], params["critical_count"]
            return judge_logins(
                seen.tallies, warning=warning, critical=critical, max_addresses=max(params["max_addresses"], 1), since=since,
                skipped=skipped, suspicious=params["suspicious_count"], asked=question.asked, lines=seen.lines, read=read,
                others=(0, seen.others), networks=seen.networks, users=seen.users, logins=seen.logins,
                spread_warning=params["spread_warning_count"] or SPREAD * warning,
                spread_critical=params["spread_critical_count"] or SPREAD * critical,
            )

        return answer(question, one_look)

    leave(module, work)


if __name__ == "__main__":
    main()
