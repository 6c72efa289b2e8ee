#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_restart_check
short_description: Report what a restart of a Redis server would lose
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - A restart is an obstacle when changes are unsaved and the last save failed, or when persistence is off and replicas are attached, since
    an empty primary makes them empty too.
  - So it is when nothing saves the keys, unless they show themselves to be a cache. The rule is that of
    M(oncall.incident.redis_cache_clear), for each database that has keys.
  - What cannot be seen counts as there, and the status is then C(unknown). So a server that is frozen is an obstacle too, unless
    O(accept_data_loss), and so is one that is down, unless O(service) shows that it is stopped.
  - With O(service) it is an obstacle, too, when it is not shown that this service is the server.
  - It only reads.
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.verdict
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.redis
notes:
  - "An ACL user needs C(+info +config|get), and to show that the keys are a cache C(~* +select +randomkey +pttl +scan +type)."
options:
  fail_on:
    default: never
  accept_data_loss:
    description: Whether all of that is accepted.
    type: bool
    default: false
  service:
    description:
      - What M(oncall.incident.service_instances) returned for the systemd unit that would be restarted, its failure too. The unit is the
        server when its main process is the one that listens there. When nobody listens and the unit has no process, the server is
        stopped, and nothing is in the way of its start, unless the unit's configuration can be read and sets another port.
      - Without it, or with the result of a task that was skipped, only the loss is judged.
    type: dict
  data_directory:
    description: Directory of the server, for RV(on_disk). Empty takes that of the configuration that the unit's command names.
    type: str
    default: ""
seealso:
  - module: oncall.incident.redis_repair
"""

EXAMPLES = r"""
- name: Ask before a restart
  oncall.incident.redis_restart_check:
    login_host: cache1.example.org
  register: restart
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: always
  type: str
status:
  description: The worst status of all findings, C(ok), C(unknown) or C(critical).
  returned: when it was judged
  type: str
findings:
  description: What was judged, by the check C(restart_data_loss).
  returned: when it was judged
  type: list
  elements: dict
skipped_checks:
  description: What could not be seen, why, and what to grant.
  returned: when it was judged
  type: list
  elements: dict
checks:
  description: The status of the check. Usable as O(baseline) later.
  returned: when it was judged
  type: dict
asked:
  description: The checks that had to be answered.
  returned: when it was judged
  type: list
  elements: str
healthy:
  description: Whether nothing is in the way. Null when that cannot be seen.
  returned: when it was judged
  type: bool
held:
  description: Whether nothing was in the way for long enough.
  returned: with O(wait_for)
  type: bool
waited:
  description: How long it was waited, seconds.
  returned: with O(wait_for)
  type: float
polls:
  description: How many looks were made.
  returned: with O(wait_for)
  type: int
history:
  description: The status whenever it changed, with the seconds since the start.
  returned: with O(wait_for)
  type: list
  elements: dict
not_recovered:
  description: Why it does not hold, in one text. Empty when it does.
  returned: with O(wait_for)
  type: str
remaining:
  description: Status of the check where it is not ok, is not waited for, and is not worse than in O(baseline).
  returned: with O(baseline)
  type: dict
new:
  description: Status of the check where it is worse than in O(baseline).
  returned: with O(baseline)
  type: dict
obstacles:
  description: Why the server must not be restarted now. Empty when nothing is in the way.
  returned: when it was judged
  type: list
  elements: str
cost:
  description:
    - What a restart costs as far as that is seen, in one sentence without a full stop, also where O(accept_data_loss) accepts it. It counts
      keys and changes that are lost, clients that are cut off, and replicas that need a full copy.
    - Of a server that does not answer it says how much memory its process holds, where that is seen. Empty when nothing is seen to be lost.
  returned: when it was judged
  type: str
  sample: 50000 keys are lost, since nothing saves them, 12 other clients are cut off
seen:
  description:
    - What was seen of role, changes, saves, replicas and keys. Null where it could not be seen. C(no_cache) says why the keys are not shown
      to be a cache, where nothing saves them.
  returned: when it was judged
  type: dict
listening:
  description: Whether anybody on this host listens where the server should be. Null when that is not this host, or cannot be told.
  returned: when it was judged
  type: bool
process_id:
  description:
    - The process of this host that is the server, that is who listens there, or, where we may not see that, who the server says it is.
    - Null when nobody listens, or the server is not on this host, or it cannot be told.
    - What is restarted must be this one.
  returned: when it was judged
  type: int
stopped:
  description: Whether O(service) is shown to be stopped, so that a start ends nobody.
  returned: when it was judged
  type: bool
on_disk:
  description: What a server that is stopped or does not answer has on disk and will load. Null for one that answers.
  returned: when it was judged
  type: dict
  contains:
    directory:
      description: Where it is.
      type: str
    files:
      description: The files of data, each with name, size and time of the last change.
      type: list
      elements: dict
    problem:
      description: Why it is not known. Empty when it is.
      type: str
error:
  description: What kind of failure it is.
  returned: failure
  type: str
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._redis.restarting import restart_check, restart_spec


def main() -> None:
    module = AnsibleModule(argument_spec=restart_spec(), supports_check_mode=True)
    leave(module, lambda: restart_check(module.params))


if __name__ == "__main__":
    main()
