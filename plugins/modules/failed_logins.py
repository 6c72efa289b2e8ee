#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: failed_logins
short_description: Count failed logins by address and user
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Reads what sshd, PAM and Dovecot wrote about logins to the journal and to the authentication log, and says who failed how often. It only
    reads, at most O(max_kib) of each and for at most O(timeout).
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
    description: How much of the end of each is read, and of a rotated file.
    type: int
    default: 8192
  timeout:
    description: How long reading the journal may take.
    type: str
    default: 30s
  warning_count:
    description: Failures from one address that are a warning.
    type: int
    default: 10
  critical_count:
    description: Failures from one address that are critical.
    type: int
    default: 100
  suspicious_count:
    description: Failures from one address after which a login that got in is critical. As many as O(critical_count) unless said.
    type: int
  max_addresses:
    description: How many addresses and users are returned, the worst first.
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
    - The check C(failed_logins), by the address with most failures, and C(login_after_failures), critical where such an address got in.
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
  description: The addresses with most failures, with their count, first and last, users, and how often they got in.
  returned: success
  type: list
  elements: dict
users:
  description: The users tried most often.
  returned: success
  type: list
  elements: dict
total:
  description: Failures from all addresses.
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
  description: Lines of sshd since RV(since), of the source that has most of them.
  returned: success
  type: int
lines_understood:
  description:
    - How many of them are a login, a scan, or known to be neither.
    - Where it is less than RV(lines_seen), the counts are a lower bound.
  returned: success
  type: int
not_understood:
  description: Up to three of the other lines, as samples.
  returned: success
  type: list
  elements: str
scans:
  description: Addresses that connected without a login, such as scanners of key exchange, with how often. They are no failed logins.
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
from ansible_collections.oncall.incident.plugins.module_utils._logins.decisions.logins import CHECKS, count, judge_logins, told_lines
from ansible_collections.oncall.incident.plugins.module_utils._logins.sources import read_events
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "since": {"type": "str", "default": "1h"},
            "journal": {"type": "bool", "default": True},
            "logs": {"type": "list", "elements": "path"},
            "max_kib": {"type": "int", "default": 8192},
            "timeout": {"type": "str", "default": "30s"},
            "warning_count": {"type": "int", "default": 10},
            "critical_count": {"type": "int", "default": 100},
            "suspicious_count": {"type": "int"},
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
            events, skipped, read = read_events(
                journal=params["journal"], logs=params["logs"], since=since, max_bytes=max(params["max_kib"], 1) * 1024, seconds=seconds,
            )
            return judge_logins(
                list(count(events, since=since).values()), warning=params["warning_count"], critical=params["critical_count"],
                max_addresses=max(params["max_addresses"], 1), since=since, skipped=skipped, suspicious=params["suspicious_count"],
                asked=question.asked, lines=told_lines(events, since=since), read=read,
            )

        return answer(question, one_look)

    leave(module, work)


if __name__ == "__main__":
    main()
