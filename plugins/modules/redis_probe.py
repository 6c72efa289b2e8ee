#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_probe
short_description: Write, read, replicate and delete a probe key in Redis
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Does in small what an application does. It writes a key with a time to live under a name that nobody else uses
    (C(oncall.incident:probe:) and random digits), reads it, waits until the replicas have it, and deletes it.
  - On a replica the key is written to its primary and read here.
  - In a cluster a name is tried that belongs to the node.
  - In check mode nothing is written, all checks are C(unknown), and O(fail_on) does not fail.
  - A command that the user may not run makes the check C(unknown); its hint says what to grant.
  - C(probe_replication) does not apply where no replica is attached and none is expected.
  - "The checks are C(probe_write), C(probe_read), C(probe_replication), C(probe_delete)."
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.verdict
  - oncall.incident.attributes
  - oncall.incident.attributes.redis
attributes:
  check_mode:
    support: full
    details:
      - Writes nothing, and says so.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - A key comes and goes every time; nothing is different afterwards.
options:
  fail_on:
    default: never
  ttl:
    description: Time to live of the key. It goes by itself when we cannot delete it.
    type: str
    default: 30s
  replication_timeout:
    description: How long replicas may take to have the key.
    type: str
    default: 5s
  expected_replicas:
    description: How many replicas must have it. Without it, those that are attached.
    type: int
  retry:
    description:
      - How long to try again until all checks of O(asked) are ok. It is O(wait_for) without a hold, and O(fail_on) decides as without it.
    type: str
    default: 0s
seealso:
  - module: oncall.incident.redis_cache_clear
"""

EXAMPLES = r"""
- name: Prove that the cache takes and replicates data
  oncall.incident.redis_probe:
    login_host: cache1.example.org
    expected_replicas: 1
    retry: 20s
    fail_on: warning
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: always
  type: str
status:
  description: The worst status of all findings, C(ok), C(warning), C(unknown) or C(critical).
  returned: when it was judged
  type: str
asked:
  description: The checks that had to be answered.
  returned: when it was judged
  type: list
  elements: str
healthy:
  description: Whether each of them is V(ok). Null when that is not known.
  returned: when it was judged
  type: bool
findings:
  description: What was judged, and V(unknown) for each check of RV(asked) without an answer.
  returned: when it was judged
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged, why, and of which kind (C(not_applicable) or C(could_not_look)). Never counts as ok.
  returned: when it was judged
  type: list
  elements: dict
checks:
  description: Status by check.
  returned: when it was judged
  type: dict
held:
  description: Whether the checks were ok for long enough.
  returned: with O(retry) or O(wait_for)
  type: bool
waited:
  description: How long it was waited, seconds.
  returned: with O(retry) or O(wait_for)
  type: float
polls:
  description: How many measurements were made.
  returned: with O(retry) or O(wait_for)
  type: int
history:
  description: Status of the checks whenever one changed, with the seconds since the start; bounded to 50.
  returned: with O(retry) or O(wait_for)
  type: list
  elements: dict
not_recovered:
  description: Why the probe did not make its way, in one text. Empty when it did.
  returned: with O(retry) or O(wait_for)
  type: str
remaining:
  description: Status of checks that are not ok, are not waited for, and are not worse than in O(baseline).
  returned: with O(baseline)
  type: dict
new:
  description: Status of checks that are worse than in O(baseline).
  returned: with O(baseline)
  type: dict
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
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import question_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.probing import probed


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "ttl": {"type": "str", "default": "30s"},
            "replication_timeout": {"type": "str", "default": "5s"},
            "expected_replicas": {"type": "int"},
            "retry": {"type": "str", "default": "0s"},
            **question_spec(),
        },
        supports_check_mode=True,
    )
    leave(module, lambda: probed(module.params, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
