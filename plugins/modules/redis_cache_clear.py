#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cache_clear
short_description: Clear keys of a Redis cache, within limits
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Removes the keys of a pattern with C(SCAN) and C(UNLINK), in batches, no faster than O(max_keys_per_second), no longer than
    O(time_limit). When more than O(max_keys) keys match, none is touched. Keys written during the run are left in place.
  - O(flush) clears a whole database with C(FLUSHDB ASYNC). It is refused unless the number of keys is what O(expected_keys) says, which
    is tested again right before, and the database shows itself to be a cache. C(FLUSHALL) is not offered.
  - "A database shows itself to be a cache when only keys of O(cache_types) are met (all keys are looked at, of a large database the
    first 50,000, a random sample, and whether a bounded scan meets a stream); and when the server may lose any key by its own
    settings (C(maxmemory) with an C(allkeys-*) policy), or at least O(min_ttl_percent) of a random sample have a time to live.
    C(noeviction) with C(maxmemory) says that it is none."
  - Works on a primary only. On a replica or a Sentinel it refuses and names where to go. A node of a cluster holds only a part of the
    keys, so it refuses there too unless O(this_node_only) says that every primary is called for itself.
  - In check mode the keys are counted.
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.attributes.redis
  - oncall.incident.approved
options:
  pattern:
    description:
      - Keys to clear, as a pattern of C(SCAN) (V(*), V(?), V([a-z]), backslash), for example V(session:*).
      - One that names no part of a key is refused, since it is a flush.
    type: str
  flush:
    description: Clear the whole database O(database) instead. Wants O(expected_keys).
    type: bool
    default: false
  database:
    description: Number of the database.
    type: int
    default: 0
  exclude:
    description: Patterns of keys that stay. With O(pattern) only.
    type: list
    elements: str
    default: []
  max_keys:
    description: How many keys of a pattern may be cleared. More, and none is touched and the module fails.
    type: int
    default: 10000
  spent:
    description: How much of O(max_keys) this run has used already.
    type: int
    default: 0
  batch:
    description: How many keys one step takes.
    type: int
    default: 500
  max_keys_per_second:
    description: How fast keys may go on average, V(0) for no limit.
    type: float
    default: 5000
  time_limit:
    description: How long the removal may take. What is left then is reported, and the module fails. O(max_seconds) bounds it too.
    type: str
    default: 30s
  expected_keys:
    description: How many keys O(flush) must find.
    type: int
  expected_keys_tolerance_percent:
    description: How far the number may be away, up or down.
    type: float
    default: 20
  sample:
    description: How many random keys are looked at to tell whether it is a cache.
    type: int
    default: 500
  min_ttl_percent:
    description: Share of the sampled keys that must have a time to live.
    type: float
    default: 90
  cache_types:
    description: Types of keys that a cache may have. Streams are worth nothing here, they are always refused.
    type: list
    elements: str
    default: [string, hash]
  i_know_this_is_not_a_cache:
    description: Flush although the database does not show itself to be a cache. O(expected_keys) still must be right.
    type: bool
    default: false
  this_node_only:
    description: In a cluster, clear what this node holds.
    type: bool
    default: false
  connect_retry:
    description:
      - How long to try again while the server takes no more connections, since clients come and go.
      - V(0) tries once.
    type: str
    default: 15s
seealso:
  - module: oncall.incident.redis_probe
"""

EXAMPLES = r"""
- name: Count the keys of a poisoned pattern
  oncall.incident.redis_cache_clear:
    login_host: cache1.example.org
    pattern: "product:v2:*"
  check_mode: true
  register: counted

- name: Clear them, slowly
  oncall.incident.redis_cache_clear:
    login_host: cache1.example.org
    pattern: "product:v2:*"
    exclude: ["product:v2:lock:*"]
    max_keys: 50000
    max_keys_per_second: 2000
    approved: "{{ counted.actions }}"

- name: Clear a whole cache
  oncall.incident.redis_cache_clear:
    login_unix_socket: /run/redis/redis.sock
    flush: true
    expected_keys: 120000
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether a key was really removed. In check mode whether one would be.
  returned: always
  type: bool
actions:
  description:
    - One action, C(clear_pattern) or C(flush_database), with the number of keys in C(detail), and one for each approved clearing that is
      not the one that is asked for now. C(done) when the server has counted all of the keys as removed, C(not_needed) when there was none,
      C(moved_on) when there are too many or too few of them right before a flush, C(refused) when the plan does not have it, or a limit or
      a rule of the module forbids it. C(failed), C(unknown) and C(not_permitted) fail the task.
    - C(detail.why) says why in a word, C(detail.error) in a sentence, or as the server said it. C(detail.written_again), how many keys were
      there again right after, is null where that cannot be seen.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, to be compared with an approved one; never to be taken apart.
      type: str
    resource:
      description: The server or service that it is done on.
      type: str
    identity:
      description: What identifies the target on it. With C(verb) and C(resource) it makes C(id).
      type: dict
    name:
      description: The target in words.
      type: str
      sample: 'database 0, pattern cache:*'
keys_removed:
  description: How many keys went, as the server counted them.
  returned: success
  type: int
groups:
  description: How many keys by what comes before their first colon. Whole names may hold users' data.
  returned: with O(pattern)
  type: dict
  sample: {session: 812, product: 20}
cache:
  description: What was seen of the database, with O(flush).
  returned: with O(flush)
  type: dict
  sample: {sampled: 500, with_ttl: 497, ttl_percent: 99.4, types: {string: 500}, policy: allkeys-lru, maxmemory: 104857600}
used_memory:
  description: Bytes before and after. The memory of large values is given back in the background, a moment later.
  returned: when keys were removed
  type: dict
protected:
  description: How many keys each pattern of O(exclude) kept.
  returned: success
  type: list
  elements: dict
limits:
  description: The limits that applied.
  returned: success
  type: dict
error:
  description:
    - What kind of failure it is, for example V(limit_exceeded), V(not_a_cache), V(unexpected_keys), V(replica), V(cluster) or
      V(actions_failed).
  returned: failure
  type: str
hint:
  description: On failure what to do about it.
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

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.clearing import clear, request_from
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.cache import CACHE_TYPES
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.clearing import CLEAR, FLUSH


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "pattern": {"type": "str"},
            "flush": {"type": "bool", "default": False},
            "database": {"type": "int", "default": 0},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "max_keys": {"type": "int", "default": 10000, "no_log": False},
            "spent": {"type": "int", "default": 0},
            "batch": {"type": "int", "default": 500},
            "max_keys_per_second": {"type": "float", "default": 5000, "no_log": False},
            "time_limit": {"type": "str", "default": "30s"},
            "expected_keys": {"type": "int", "no_log": False},
            "expected_keys_tolerance_percent": {"type": "float", "default": 20, "no_log": False},
            "sample": {"type": "int", "default": 500},
            "min_ttl_percent": {"type": "float", "default": 90},
            "cache_types": {"type": "list", "elements": "str", "default": list(CACHE_TYPES)},
            "i_know_this_is_not_a_cache": {"type": "bool", "default": False},
            "this_node_only": {"type": "bool", "default": False},
            "connect_retry": {"type": "str", "default": "15s"},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        request = request_from(module.params)
        return clear(module.params, request, approved=read_approved(module.params["approved"]), check_mode=module.check_mode)

    leave(module, work, verbs=(CLEAR, FLUSH))


if __name__ == "__main__":
    main()
