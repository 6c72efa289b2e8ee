#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the health of a Redis server, or of all nodes of its cluster or sentinel."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_health
short_description: Check the health of a Redis server, cluster or sentinel
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Looks at a Redis server, or at one that speaks as it does (Valkey, KeyDB, Dragonfly), and returns a verdict, that is findings with a
    status each, what could not be judged, and the data behind both as evidence. It only reads.
  - Each check of O(asked) is answered, or is C(unknown). RV(healthy) is true only when all of them are C(ok).
  - The verdict is split into RV(alive), RV(ready), RV(writable) and RV(durable), since PING alone tells none of them. RV(recovery) names
    what there is to recover from.
  - A sick server is a result. The module fails when it can't judge, with C(error) naming why (C(auth_required), C(wrong_password),
    C(tls_failed), ...), or when O(fail_on) says so.
  - Counters are judged by their growth between two samples of one call, O(sample_seconds) apart.
  - From one seed it looks at all nodes of a cluster, or at all that a sentinel watches and at the other sentinels, beside each other, with
    a verdict per node in RV(nodes).
  - With O(wait_for) it polls until the named checks are ok and stay so, which is how a recovery is verified. O(max_seconds) then bounds
    each look.
  - "The checks are
    C(availability) (what PING comes to: PONG, LOADING, MASTERDOWN, MISCONF, BUSY; INFO is read all the same. C(paused) is a server whose
    commands are all held back by CLIENT PAUSE, C(proxy) one that knows no CLIENT, behind which nothing is known),
    C(writes) (whether a primary takes writes, by what it says; nothing is written: where it does not tell of a pause of writes, it is asked
    for C(PFCOUNT) of a name that nobody uses, on Dragonfly for C(DEL), which a pause holds back too and which changes nothing),
    C(memory) (used memory against maxmemory, where one is set and its policy evicts nothing),
    C(fragmentation) (where ratio and bytes are high), C(evictions) (a second),
    C(connections) (connected clients against maxclients, and refused ones), C(blocked_clients), C(errors) (error replies a second),
    C(persistence) (the last snapshot, one that takes too long, old changes without one), C(aof) (the append-only file),
    C(replication) (a replica's link, which may never have been there; a primary's replicas, their number and lag),
    C(slow_log) (how many slow commands were added; the slowest without their arguments),
    C(latency) (round trips as a client has them), C(latency_events) (the server's own monitor, where it is armed),
    C(keyspace) (keys, hit rate, keys without a TTL), C(host) (overcommit, transparent huge pages and somaxconn, where the server runs on
    the host that runs the module),
    C(cluster) (state, slots, failed nodes), C(sentinel) (quorum, what it thinks of each primary, tilt) and C(nodes) (each node's own
    verdict)."
notes:
  - "An ACL user with the least that all checks need, on Redis 6.2 and later and on Valkey: C(ACL SETUSER monitor on >password ~* -@all
    +ping +info +select +scan +ttl +client|setname +config|get +slowlog|get +latency|latest +cluster|info +cluster|nodes +pfcount). It can
    read no value and change none, but count the members of a HyperLogLog. From Redis 7 on a selector keeps it from that, that is
    C(+pfcount) in brackets with C(~oncall.incident:probe:*). On a sentinel C(+ping +info +client|setname +sentinel|masters
    +sentinel|replicas +sentinel|sentinels +sentinel|ckquorum)."
  - With C(+ping +info) alone most checks work. What an ACL or a managed service forbids is in RV(skipped_checks) with its reason and what
    to grant. A check of O(asked) that it keeps from an answer is C(unknown), and so is RV(status).
  - "A check does not apply where the server has nothing for it, and only then. The reasons are C(not_armed) and C(no_such_setting) (nobody
    switched the latency monitor on), C(not_counted) (another product, or an older version), C(not_local) (the server runs on another host),
    C(holds_no_data) (a sentinel), C(no_cluster), C(no_sentinel) and C(stands_alone)."
  - Of a cluster whose nodes can't be listed, or of which one can't be reached, the checks of single servers are C(unknown) too.
  - A node that can't be reached from here, and of which its cluster or sentinel thinks well, is V(unknown), not V(critical), since its
    address may be one of another network.
  - The memory and the slow log of a server may hold secrets. Of slow commands only the name is told, of keys only a prefix that is a plain
    word followed by a colon or slash.
options:
  fail_on:
    default: never
  checks:
    description: What to look at. Empty or absent means everything.
    type: list
    elements: str
    choices:
      - availability
      - writes
      - memory
      - fragmentation
      - evictions
      - connections
      - blocked_clients
      - errors
      - persistence
      - aof
      - replication
      - slow_log
      - latency
      - latency_events
      - keyspace
      - host
      - cluster
      - sentinel
      - nodes
  topology:
    description:
      - V(auto) looks at all nodes when the server is of a cluster or is a sentinel.
      - V(single) looks at this server alone. The checks C(cluster), C(sentinel) and C(nodes) then say nothing of the others, and are not
        among the default of O(asked).
    type: str
    choices: [auto, single]
    default: auto
  node_login_user:
    description: User at the primaries and replicas that a sentinel watches, where they have another login than the sentinels.
    type: str
    default: ""
  node_login_password:
    description: Password of O(node_login_user), or of the default user where that is empty. With neither, the main login is used.
    type: str
    default: ""
  workers:
    description: How many nodes are looked at beside each other, 1 to 200.
    type: int
    default: 50
  sample_seconds:
    description:
      - Time between the two samples that growth is measured by. V(0) takes one sample, and such checks are C(unknown).
    type: str
    default: 1s
  expected_replicas:
    description: How many replicas must be attached to each primary.
    type: int
    default: 0
  min_replicas_to_write:
    description:
      - How many good replicas a primary needs to take writes.
      - Absent means what its own setting C(min-replicas-to-write) says, where that can be read.
    type: int
  fragmentation_bytes:
    description: Wasted memory below this is not a finding, whatever its ratio.
    type: str
    default: 100M
  slow_log_entries:
    description: How many of the slowest commands are told, 0 to 32.
    type: int
    default: 5
  sample_keys:
    description:
      - How many keys of the fullest database are looked at for a TTL, by SCAN in small steps. V(0) looks at none.
      - The share of all keys without a TTL comes from INFO where the server tells it; the sample says which keys they are.
    type: int
    default: 100
  sample_budget:
    description: How long that may take.
    type: str
    default: 500ms
  pings:
    description: How many round trips are measured, 1 to 1000; of a node of a topology at most 5.
    type: int
    default: 20
  memory_warning:
    description:
      - Used memory in percent of maxmemory, where that is set and the policy evicts nothing.
      - V(off) applies no threshold, here and in all others.
    type: str
    default: "80"
  memory_critical:
    description: As O(memory_warning), for V(critical).
    type: str
    default: "90"
  fragmentation_warning:
    description: Memory the process holds as a multiple of what its data uses, where O(fragmentation_bytes) or more are wasted.
    type: str
    default: "1.5"
  fragmentation_critical:
    description: As O(fragmentation_warning), for V(critical).
    type: str
    default: "off"
  evictions_warning:
    description: Keys evicted a second.
    type: str
    default: "10"
  evictions_critical:
    description: As O(evictions_warning), for V(critical).
    type: str
    default: "1000"
  connections_warning:
    description: Connected clients in percent of maxclients.
    type: str
    default: "80"
  connections_critical:
    description: As O(connections_warning), for V(critical).
    type: str
    default: "90"
  blocked_clients_warning:
    description: Clients that wait in a blocking command.
    type: str
    default: "100"
  blocked_clients_critical:
    description: As O(blocked_clients_warning), for V(critical).
    type: str
    default: "off"
  errors_warning:
    description: Error replies a second.
    type: str
    default: "10"
  errors_critical:
    description: As O(errors_warning), for V(critical).
    type: str
    default: "100"
  save_running_warning:
    description: How long a snapshot or a rewrite of the append-only file has been running.
    type: str
    default: 10m
  save_running_critical:
    description: As O(save_running_warning), for V(critical).
    type: str
    default: 20m
  unsaved_warning:
    description: Age of the last snapshot, where changes have come since, snapshots are made and there is no append-only file.
    type: str
    default: 1h
  unsaved_critical:
    description: As O(unsaved_warning), for V(critical).
    type: str
    default: "off"
  replication_lag_warning:
    description: How long a replica has acknowledged nothing, or has heard nothing beyond its primary's pings every ten seconds.
    type: str
    default: 10s
  replication_lag_critical:
    description: As O(replication_lag_warning), for V(critical).
    type: str
    default: 1m
  replication_bytes_warning:
    description: How far a replica is behind in bytes.
    type: str
    default: 64M
  replication_bytes_critical:
    description: As O(replication_bytes_warning), for V(critical).
    type: str
    default: 512M
  slow_log_warning:
    description: Slow commands added between the two samples.
    type: str
    default: "5"
  slow_log_critical:
    description: As O(slow_log_warning), for V(critical).
    type: str
    default: "off"
  latency_warning:
    description: The 99th percentile of the round trips.
    type: str
    default: 100ms
  latency_critical:
    description: As O(latency_warning), for V(critical).
    type: str
    default: 1s
  latency_events_warning:
    description: The longest latest event of the latency monitor in the last five minutes.
    type: str
    default: 500ms
  latency_events_critical:
    description: As O(latency_events_warning), for V(critical).
    type: str
    default: 5s
  misses_warning:
    description: Lookups between the two samples that found nothing, in percent, where there were at least 20.
    type: str
    default: "off"
  misses_critical:
    description: As O(misses_warning), for V(critical).
    type: str
    default: "off"
  no_ttl_warning:
    description: Keys without a TTL in percent of all.
    type: str
    default: "off"
  no_ttl_critical:
    description: As O(no_ttl_warning), for V(critical).
    type: str
    default: "off"
  server_log:
    description:
      - The server's log on the host that runs the module, or the directory of its logs.
      - Read only where the server cannot be used. The finding C(availability) then says what its last fatal line is, or what to grant where
        the log cannot be read. Passwords in the line are hidden.
      - V(auto) looks where distributions have it, and takes the log that names the port of the server. Only for a server on this host.
    type: path
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.verdict
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.redis
seealso:
  - module: oncall.incident.pg_health
"""

EXAMPLES = r"""
- name: Look at everything
  oncall.incident.redis_health:
    login_host: cache1.example.org
    login_user: monitor
    login_password: "{{ monitor_password }}"
  register: health

- name: Fail when it does not take writes or runs out of memory
  oncall.incident.redis_health:
    login_unix_socket: /run/redis/redis-server.sock
    checks: [availability, writes, memory]
    memory_warning: 70
    fail_on: critical

- name: Look at all nodes of a cluster over TLS with a client certificate
  oncall.incident.redis_health:
    login_host: node1.example.org
    login_port: 6380
    tls: true
    ca_cert: /etc/ssl/private-ca.pem
    client_cert: /etc/redis/client.pem
    client_key: /etc/redis/client.key
    expected_replicas: 1

- name: Ask a sentinel whether a failover could be agreed on
  oncall.incident.redis_health:
    login_host: sentinel1.example.org
    login_port: 26379
    checks: [sentinel, nodes, replication]
    fail_on: critical

- name: Verify that the server has recovered, and has for ten seconds
  oncall.incident.redis_health:
    login_host: cache1.example.org
    wait_for:
      checks: [availability, writes, replication, persistence]
      hold: 10s
      timeout: 2m
    baseline: "{{ health.checks }}"
    fail_on: critical

- name: Look at everything, and fail unless these are known to be well
  oncall.incident.redis_health:
    login_host: cache1.example.org
    asked: [availability, writes, replication]
    fail_on: warning
"""

RETURN = r"""
contract:
  description: Names this form of result.
  type: str
  returned: success
  sample: oncall.incident/verdict/1
status:
  description: The worst status of the findings, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: critical
asked:
  description: The checks that had to be answered.
  type: list
  elements: str
  returned: success
healthy:
  description: Whether each of them is V(ok). Null when that is not known, since one has no answer, or none applies.
  type: bool
  returned: success
findings:
  description: What was judged. Of several nodes, a check that is ok on all of them is one finding.
  type: list
  elements: dict
  returned: success
  contains:
    check:
      description: Name of the check.
      type: str
    status:
      description: V(ok), V(warning), V(unknown) or V(critical).
      type: str
    observed:
      description: What was measured.
      type: raw
    threshold:
      description: The value that decided, null where there is none.
      type: raw
    unit:
      description: Unit of both.
      type: str
    hint:
      description: What to do about it; empty when ok.
      type: str
    subject:
      description: What it is about where a check judges several things, among them the node's address.
      type: str
    detail:
      description: Further data. Of a check that has no answer, the C(reason).
      type: dict
    asked:
      description: Whether the check is one of RV(asked).
      type: bool
  sample:
    - check: persistence
      status: critical
      observed: err
      threshold: ok
      unit: ""
      hint: "The last save failed, and what came since is only in memory: no restart."
      subject: last_save
      detail: {unsaved_changes: 5012, age: 3712.0}
skipped_checks:
  description: Checks, or parts of them, that could not be judged, and why. They never count as ok.
  type: list
  elements: dict
  returned: success
  contains:
    check:
      description: Name of the check.
      type: str
    reason:
      description: Why, a code and a sentence. Of a topology the nodes stand before it.
      type: str
    hint:
      description: What to grant or to switch on.
      type: str
    kind:
      description: V(not_applicable) (the server has nothing for it) or V(could_not_look).
      type: str
  sample:
    - check: latency_events
      reason: "not_armed: latency-monitor-threshold is 0, so the server watches no latency"
      hint: CONFIG SET latency-monitor-threshold 100 arms it at run time.
      kind: not_applicable
checks:
  description: The worst status by check; V(unknown) for one that could not be looked at. Usable as O(baseline) later.
  type: dict
  returned: success
  sample: {availability: critical, memory: ok}
reachable:
  description: Whether the server that was named could be used.
  type: bool
  returned: success
alive:
  description: Whether the process answers, if only with a refusal. Of a topology, whether every primary does.
  type: bool
  returned: success
ready:
  description:
    - Whether it answers reads with its data. Null where nobody can say, here and in the next two. PONG alone says nothing of it.
  type: bool
  returned: success
writable:
  description: Whether it takes writes. False on a replica, which is not a finding.
  type: bool
  returned: success
durable:
  description: Whether what is written survives a restart, that is persistence is on and its last run succeeded.
  type: bool
  returned: success
recovery:
  description:
    - What there is to recover from, the most pressing first, and empty when nothing known is.
    - V(down) (no process answers), V(frozen) (it takes connections and answers nothing), V(maxclients), V(loading), V(busy) (a script or
      function blocks everything), V(paused) (CLIENT PAUSE holds writes or all commands back), V(misconf_disk) (it can't save),
      V(oom_noeviction) (memory full and nothing is evicted), V(no_quorum) (no failover could be agreed on),
      V(sync_loop) (full copies to a replica begin again and again, and none is completed), V(replica_orphan)
      (a replica without its primary), V(evicting).
  type: str
  returned: success
  sample: misconf_disk
remedies:
  description:
    - What helps against RV(recovery), V(restart), V(clients), V(disk), V(clear), V(repoint) and V(script). Empty where no change would.
  type: list
  elements: str
  returned: success
  sample: [disk]
recoveries:
  description: RV(recovery) of each node, with its address.
  type: list
  elements: dict
  returned: success
  sample: [{recovery: misconf_disk, address: "192.0.2.10:6379"}]
server:
  description: Flavor, version, role, run id and process of the server that was named.
  type: dict
  returned: success
  sample: {address: "192.0.2.10:6379", flavor: valkey, version: 9.0.1, role: primary, mode: standalone, uptime: 86400, ping: PONG}
topology:
  description: V(cluster), V(sentinel) or V(single).
  type: str
  returned: success
nodes:
  description: A verdict per node, with those of its findings that are not ok.
  type: list
  elements: dict
  returned: success
  sample:
    - address: 192.0.2.11:6379
      role: replica
      status: critical
      alive: true
      ready: false
      writable: false
      durable: true
      recovery: replica_orphan
memory:
  description: Used memory, maxmemory and policy.
  type: dict
  returned: when memory is looked at
  sample: {used: 1048576, rss: 8388608, maxmemory: 0, policy: noeviction, evicts: false, percent: null}
clients:
  description: Connections against maxclients, refused ones between the samples and since the start.
  type: dict
  returned: when connections is looked at
evictions:
  description: Evicted keys between the samples and since the start.
  type: dict
  returned: when evictions is looked at
error_replies:
  description: Error replies between the samples, by code.
  type: dict
  returned: when errors is looked at
persistence:
  description: How snapshots and the append-only file stand, and changes that are in no snapshot.
  type: dict
  returned: when persistence is looked at
  sample: {durable: false, snapshots: true, aof: false, last_save_status: err, unsaved_changes: 5012, saving: false}
replication:
  description:
    - Role, offset, and the replicas or the link to the primary. Of a primary the full copies since the start and between the samples, the
      partial ones that it refused, and its backlog.
  type: dict
  returned: when replication is looked at
slow_log:
  description: Growth between the samples, and the slowest commands by name.
  type: dict
  returned: when slow_log is looked at
  sample: {grown: 2, slowest: [{command: KEYS, arguments: 1, seconds: 1.2, client: "192.0.2.7:51234"}]}
latency:
  description: Median and 99th percentile of round trips, seconds.
  type: dict
  returned: when latency is looked at
  sample: {p50: 0.0002, p99: 0.0011, pings: 20}
latency_events:
  description: What the server's latency monitor holds.
  type: dict
  returned: when latency_events is looked at
keyspace:
  description: Keys by database, hit rate, keys without a TTL and the prefixes of those that were sampled.
  type: dict
  returned: when keyspace is looked at
host:
  description: Settings of the host.
  type: dict
  returned: when host is looked at and the server runs on the host that runs the module
cluster:
  description: State, slots and number of nodes.
  type: dict
  returned: when the server is of a cluster
sentinel:
  description: The primaries it watches, their replicas and the other sentinels.
  type: dict
  returned: when the server is a sentinel
held:
  description: Whether the checks were ok for long enough.
  type: bool
  returned: with O(wait_for)
waited:
  description: How long it was waited, seconds.
  type: float
  returned: with O(wait_for)
polls:
  description: How many measurements were made.
  type: int
  returned: with O(wait_for)
history:
  description: Status of the named checks whenever one changed, with the seconds since the start; bounded to 50.
  type: list
  elements: dict
  returned: with O(wait_for)
  sample: [{at: 0.0, checks: {writes: critical}}, {at: 2.1, checks: {writes: ok}}]
remaining:
  description: Status of checks that are not ok, are not waited for, and are not worse than in O(baseline).
  type: dict
  returned: with O(baseline)
new:
  description: Status of checks that are worse than in O(baseline).
  type: dict
  returned: with O(baseline)
not_recovered:
  description: Why the server is not called recovered, in one text. Empty when it is.
  type: str
  returned: with O(wait_for)
  sample: "Not recovered within 120 s: writes critical."
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
from ansible_collections.oncall.incident.plugins.module_utils._redis.health_args import health_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.health_run import run


def main() -> None:
    module = AnsibleModule(argument_spec=health_spec(), supports_check_mode=True)
    leave(module, lambda: run(module.params))


if __name__ == "__main__":
    main()
