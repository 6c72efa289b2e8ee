#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the health of a PostgreSQL server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_health
short_description: Check the health of a PostgreSQL server
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Looks at a PostgreSQL server and returns a verdict, that is findings with a status each, what could not be judged, and the data
    behind both as evidence. It only reads, in a session in which the server refuses to write.
  - A sick server is a result. The module fails when it can't judge, with C(error) naming why (C(wrong_password), C(tls_required),
    C(blind), ...), or when O(fail_on) says so.
  - A server that lets nobody in (all connection slots taken, starting up, down) is a result too. The check C(availability) is then
    critical, names the kind in RV(findings[].observed), and all other checks are in RV(skipped_checks).
  - What the server hides or does not count makes the checks that rest on it C(unknown), and RV(skipped_checks) says what to grant or to
    switch on. These are sessions of a role with track_activities off (C(long_queries), C(long_transactions), C(idle_in_transaction),
    C(backups)), track_counts off (C(vacuum), C(unused_indexes), C(sequential_scans)), and
    pg_stat_statements.track or compute_query_id off (C(statements)).
  - With O(wait_for) it polls in one session until the named checks are ok and stay so, which is how a recovery is verified.
  - "The checks are
    C(availability) (whether a session can be had, by which login),
    C(connections) (taken connections against those ordinary roles can have, and roles' and databases' own limits),
    C(long_queries), C(long_transactions), C(idle_in_transaction) (the oldest of each),
    C(blocking) (the longest wait for a lock, and the sessions at the root),
    C(ungranted_locks), C(prepared_transactions),
    C(replication) (lag of standbys in seconds and bytes, missing ones, the server as a standby itself),
    C(replication_slots) (WAL they keep, inactive ones), C(wraparound) (age of the oldest transaction ids),
    C(vacuum) (the table of O(login_db) most in need of vacuum), C(backups) (running ones, failing WAL archiving),
    C(timeouts) (statement_timeout, idle_in_transaction_session_timeout and transaction_timeout as they are set),
    C(database_size), C(statements) (slow ones, from C(pg_stat_statements)),
    C(invalid_indexes), C(unused_indexes), C(duplicate_indexes) and C(sequential_scans) (of O(login_db)),
    and C(probe) (the caller's own query)."
  - What is said of indexes and of the reading of tables informs. None of it is critical unless a threshold is given for that. Sizes are
    those that the server last counted, so no lock on a table is waited for.
  - C(unused_indexes) names no index of a primary key, of a constraint, that is unique, or that is part of a partitioned index. An index
    may be used by a standby, or by a report that runs once a year; the finding says for how long use has been counted.
  - Sessions that are meant to be long (backups, replication, maintenance, those with a comment C(/* incident:keep */)) are told in
    RV(findings[].detail) of the checks about ages and make none of them critical. A session that waits for a lock is judged by
    C(blocking), not by C(long_queries).
notes:
  - The role needs C(pg_monitor). With C(pg_read_all_stats) alone, settings that only superusers see are missing from RV(settings).
    A role with neither sees only its own sessions, which looks like health, so the module fails with C(error=blind).
  - The checks C(availability), C(prepared_transactions), C(replication_slots), C(timeouts), C(database_size), C(invalid_indexes),
    C(unused_indexes), C(duplicate_indexes), C(sequential_scans) and C(probe) need no grant when nothing else is looked at.
  - "Needs server 14 or later: exact waits in RV(ungranted_locks) and RV(blocking) (on 13 the age of the waiting statement)."
  - "Needs server 16 or later: C(reserved) in RV(connections) is 0 before."
  - "Needs server 17 or later: C(transaction_timeout), C(inactive_seconds) and C(invalidation_reason) in RV(replication_slots),
    C(indexes_total) and C(indexes_processed) of running vacuums. They are null or missing before."
  - "Needs server 18 or later: autovacuum_vacuum_max_threshold is counted in C(due) of RV(vacuum)."
  - "Only server 13 and 14: exclusive backups in RV(backups)."
  - C(pg_stat_statements) is read only when its schema and its parts belong to superusers or to the role itself; otherwise the check
    C(statements) is skipped. From server 15 on the schema C(public) belongs to the owner of the database.
  - The columns of C(pg_stat_statements) are those of the installed version of the extension, before and since 1.8.
options:
  checks:
    description:
      - What to look at. Empty or absent means everything; C(probe) only when O(probe_query) is given.
      - What O(asked) and O(wait_for.checks) name is looked at too.
    type: list
    elements: str
    choices:
      - availability
      - connections
      - long_queries
      - long_transactions
      - idle_in_transaction
      - blocking
      - ungranted_locks
      - prepared_transactions
      - replication
      - replication_slots
      - wraparound
      - vacuum
      - backups
      - timeouts
      - database_size
      - statements
      - invalid_indexes
      - unused_indexes
      - duplicate_indexes
      - sequential_scans
      - probe
  fail_on:
    default: never
  connections_warning:
    description:
      - Taken connections in percent of those that ordinary roles can have, that is max_connections without the reserved ones.
      - V(off) applies no threshold, here and in all others.
    type: str
    default: "80"
  connections_critical:
    description: As O(connections_warning), for V(critical).
    type: str
    default: "90"
  long_queries_warning:
    description: Age of the oldest running statement.
    type: str
    default: 1m
  long_queries_critical:
    description: As O(long_queries_warning), for V(critical).
    type: str
    default: 5m
  long_transactions_warning:
    description: Age of the oldest open transaction.
    type: str
    default: 5m
  long_transactions_critical:
    description: As O(long_transactions_warning), for V(critical).
    type: str
    default: 15m
  idle_in_transaction_warning:
    description: How long a session has been idle in a transaction.
    type: str
    default: 1m
  idle_in_transaction_critical:
    description: As O(idle_in_transaction_warning), for V(critical).
    type: str
    default: 5m
  blocking_warning:
    description: How long a session has waited for another's lock.
    type: str
    default: 10s
  blocking_critical:
    description: As O(blocking_warning), for V(critical).
    type: str
    default: 1m
  ungranted_locks_warning:
    description: How many requests for locks are not granted.
    type: str
    default: "5"
  ungranted_locks_critical:
    description: As O(ungranted_locks_warning), for V(critical).
    type: str
    default: "20"
  prepared_transactions_warning:
    description: Age of the oldest prepared transaction.
    type: str
    default: 5m
  prepared_transactions_critical:
    description: As O(prepared_transactions_warning), for V(critical).
    type: str
    default: 15m
  replication_lag_warning:
    description: How far a standby is behind in time.
    type: str
    default: 30s
  replication_lag_critical:
    description: As O(replication_lag_warning), for V(critical).
    type: str
    default: 5m
  replication_bytes_warning:
    description: How far a standby is behind in bytes of WAL, for example V(500M).
    type: str
    default: 1G
  replication_bytes_critical:
    description: As O(replication_bytes_warning), for V(critical).
    type: str
    default: 10G
  replication_slots_warning:
    description: Bytes of WAL that a replication slot keeps. A slot that is inactive is a warning whatever it keeps.
    type: str
    default: 1G
  replication_slots_critical:
    description: As O(replication_slots_warning), for V(critical).
    type: str
    default: 10G
  wraparound_warning:
    description: Age of a database's oldest transaction id. The server stops taking writes at about 2.1e9.
    type: str
    default: "1000000000"
  wraparound_critical:
    description: As O(wraparound_warning), for V(critical).
    type: str
    default: "1600000000"
  vacuum_warning:
    description: A table's dead rows as a multiple of the number at which autovacuum starts.
    type: str
    default: "5"
  vacuum_critical:
    description: As O(vacuum_warning), for V(critical).
    type: str
    default: "off"
  database_size_warning:
    description: Bytes of the biggest database.
    type: str
    default: "off"
  database_size_critical:
    description: As O(database_size_warning), for V(critical).
    type: str
    default: "off"
  statements_warning:
    description: Mean time of a statement among those that use most time.
    type: str
    default: 1s
  statements_critical:
    description: As O(statements_warning), for V(critical).
    type: str
    default: "off"
  invalid_indexes_warning:
    description: How many indexes are invalid and are not being built now.
    type: str
    default: "1"
  invalid_indexes_critical:
    description: As O(invalid_indexes_warning), for V(critical).
    type: str
    default: "off"
  unused_indexes_warning:
    description: Bytes of all indexes together that no query has used since use is counted.
    type: str
    default: 1G
  unused_indexes_critical:
    description: As O(unused_indexes_warning), for V(critical).
    type: str
    default: "off"
  duplicate_indexes_warning:
    description: Bytes of all indexes together that are the same as another one, those of expressions and with C(WHERE) aside.
    type: str
    default: 1G
  duplicate_indexes_critical:
    description: As O(duplicate_indexes_warning), for V(critical).
    type: str
    default: "off"
  sequential_scans_warning:
    description: MiB a second that are read from one table of at least 8 MiB from beginning to end, on average since that is counted.
    type: str
    default: "100"
  sequential_scans_critical:
    description: As O(sequential_scans_warning), for V(critical).
    type: str
    default: "off"
  probe_warning:
    description: How long the probe query takes.
    type: str
    default: 2s
  probe_critical:
    description: As O(probe_warning), for V(critical).
    type: str
    default: 5s
  probe_query:
    description:
      - A query of your own that must work for the service to be called healthy, one SELECT, for example of the table the
        application needs first.
      - It runs in a read-only transaction through a cursor; its first row is taken.
      - It names other people's tables, views and functions, so it runs code of theirs. It gets a connection of its own, with the
        search_path of its role, and O(probe_login_user) as its login. As a superuser, as a role that may become one, or as a member
        of C(pg_execute_server_program), C(pg_read_server_files) or C(pg_write_server_files) it is refused. The check C(probe) is then
        V(unknown), its hint says which role to make, and with O(wait_for) the module fails at once (C(error=probe_refused)).
        As a member of C(pg_signal_backend), or with C(CREATEROLE), it runs, and a finding names the better role.
      - Where that connection cannot be had (all slots are taken, say), C(probe) is V(unknown) as well.
      - V(SELECT 1) names nothing. It runs beside the other checks and needs none of this.
    type: str
    default: ""
  probe_expect:
    description:
      - What the first column of the first row must be, compared as C(psql) would print it (V(t) for true).
      - Absent means that any answer will do.
    type: str
  probe_timeout:
    description: How long the probe query may take before it is cancelled and has failed; not more than O(statement_timeout).
    type: str
    default: 5s
  probe_login_user:
    description:
      - Role that runs O(probe_query), with no more rights than it needs.
      - "One is made with C(CREATE ROLE oncall_probe LOGIN PASSWORD '...'; GRANT SELECT ON orders TO oncall_probe;)."
      - Empty means O(login_user), and the alternate logins after it.
    type: str
    default: ""
  probe_login_password:
    description: Password of O(probe_login_user).
    type: str
    default: ""
  probe_login_db:
    description: Database in which O(probe_query) runs. Empty means O(login_db).
    type: str
    default: ""
  probe_login_host:
    description:
      - Host to connect to for O(probe_query), where its role cannot come in as O(login_user) does. V(127.0.0.1), for example, for a role
        with a password beside a O(login_user) that the server knows by its local socket.
      - Empty means the way of O(login_user).
    type: str
    default: ""
  standbys_expected:
    description: How many standbys must stream from this server.
    type: int
    default: 0
  timeouts_expected:
    description: Which timeouts are a warning when they are 0 and no role or database has them set.
    type: list
    elements: str
    choices: [statement_timeout, idle_in_transaction_session_timeout, transaction_timeout]
    default: [statement_timeout, idle_in_transaction_session_timeout]
  vacuum_min_dead_rows:
    description: Tables with fewer dead rows are not findings.
    type: int
    default: 10000
  statements_min_calls:
    description: Statements that were called less often are not findings.
    type: int
    default: 5
  unused_indexes_min_age:
    description: For how long use must have been counted. Before that C(unused_indexes) does not apply.
    type: str
    default: 7d
  sequential_scans_min_age:
    description: As O(unused_indexes_min_age), for C(sequential_scans).
    type: str
    default: 1h
  protect_application_names:
    description: Sessions whose application name begins so, whatever its case, are backups. Their age is told and not judged.
    type: list
    elements: str
    default: [pg_dump, pg_dumpall, pg_restore, pg_basebackup, pgbackrest, barman, wal-g]
  spare_users:
    description: Roles whose sessions' age is told and not judged, for example that of administrators at work.
    type: list
    elements: str
    default: []
  give_up_idle_root:
    description:
      - With O(wait_for), a session at the root of a chain of waiters that is idle in transaction for this long. It does not go on by
        itself, so while the check C(blocking) is not ok the waiting ends at once and RV(not_recovered) names the session.
      - When omitted it is waited until the end.
    type: str
  server_log:
    description:
      - The server's log on the host that runs the module, or the directory of its logs.
      - Read only where the server cannot be used. The finding C(availability) then says what its last fatal line is, or what to grant where
        the log cannot be read. Passwords in the line are hidden.
      - V(auto) looks where distributions have it, and takes the log that names the port of the server. Only for a server on this host.
    type: path
extends_documentation_fragment:
  - oncall.incident.postgresql
  - oncall.incident.verdict
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.postgresql
seealso:
  - module: oncall.incident.pg_terminate_long_queries
  - module: oncall.incident.pg_maintain
"""

EXAMPLES = r"""
- name: Look at everything
  oncall.incident.pg_health:
    login_unix_socket: /var/run/postgresql
    login_user: monitor
  register: health

- name: Fail when connections run out or sessions wait for locks
  oncall.incident.pg_health:
    login_host: db1.example.org
    login_user: monitor
    login_password: "{{ monitor_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/ca-certificates.crt
    checks: [connections, blocking]
    connections_warning: 70
    blocking_critical: 30s
    fail_on: critical

- name: Get in over a reserved slot when all others are taken
  oncall.incident.pg_health:
    login_host: db1.example.org
    login_user: monitor
    login_password: "{{ monitor_password }}"
    alternate_logins:
      - login_unix_socket: /var/run/postgresql
        login_user: postgres
    connect_retry: 30s

- name: Verify that the database has recovered, and has for ten seconds
  oncall.incident.pg_health:
    login_unix_socket: /var/run/postgresql
    probe_query: SELECT count(*) > 0 FROM app.orders
    probe_expect: "t"
    probe_login_user: oncall_probe
    probe_login_host: 127.0.0.1
    probe_login_password: "{{ probe_password }}"
    wait_for:
      checks: [connections, blocking, idle_in_transaction, long_queries, probe]
      hold: 10s
      timeout: 2m
    baseline: "{{ health.checks }}"
    fail_on: critical

- name: Look for what slows a database down in the long run
  oncall.incident.pg_health:
    login_unix_socket: /var/run/postgresql
    login_db: shop
    checks: [vacuum, invalid_indexes, unused_indexes, duplicate_indexes, sequential_scans]
    unused_indexes_warning: 100M
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
findings:
  description: What was judged.
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
      description: What to do about it; empty when ok, except for advice about the login of the probe.
      type: str
    subject:
      description: What it is about where a check judges several things, for example a slot.
      type: str
    detail:
      description: Further data, among it the sessions concerned. Of a check that could not be looked at, C(reason) says why.
      type: dict
    asked:
      description: Whether the check is one of RV(asked).
      type: bool
  sample:
    - check: idle_in_transaction
      status: critical
      observed: 614.2
      threshold: 300.0
      unit: seconds
      hint: Its client forgot to commit and it holds its locks.
      subject: ""
      detail: {count: 3, over_threshold: 1}
      asked: true
skipped_checks:
  description: Checks, or parts of one, that could not be judged and why.
  type: list
  elements: dict
  returned: success
  contains:
    check:
      description: Name of the check.
      type: str
    reason:
      description: Why, beginning with a word of its kind.
      type: str
    hint:
      description: What to grant or to do.
      type: str
    kind:
      description:
        - V(could_not_look) when it was refused, hidden, switched off or late. Then the check is V(unknown).
        - V(not_applicable) when there is no such thing. It is so for C(vacuum), C(prepared_transactions), WAL archiving and the checks of
          indexes on a standby, for C(statements) without the extension, and for C(unused_indexes) and C(sequential_scans) while use is
          not counted for long enough.
      type: str
  sample:
    - check: statements
      reason: "not_installed: the extension pg_stat_statements is not in the database that is looked at (postgres)"
      hint: Add it to shared_preload_libraries.
      kind: not_applicable
asked:
  description: The checks that had to be answered.
  type: list
  elements: str
  returned: success
healthy:
  description: Whether every check of RV(asked) is ok. Null when that is not known, since one could not be looked at or none applies.
  type: bool
  returned: success
checks:
  description: The worst status by check; V(unknown) for one that could not be looked at. Usable as O(baseline) later.
  type: dict
  returned: success
  sample: {availability: ok, connections: critical}
reachable:
  description: Whether a session could be had.
  type: bool
  returned: success
server:
  description: Version, start, role and identity of the server.
  type: dict
  returned: when availability is looked at and the server is reachable
connections:
  description: Connections by state and by application, against what is allowed.
  type: dict
  returned: when connections is looked at
  sample: {used: 22, usable: 22, max_connections: 25, superuser_reserved: 3, reserved: 0, percent: 100.0, by_state: {idle: 20, active: 2}}
activity:
  description: The sessions, those first that block or wait, bounded to 200 and about 32 KiB; queries are cut and passwords in them hidden.
  type: dict
  returned: when connections is looked at
blocking:
  description:
    - The sessions at the roots of lock chains with the tree of waiters below each.
    - In C(lock_queue) who waits for a lock and holds up others, whom the holder of the lock would let through, with the command that
      frees these.
  type: dict
  returned: when blocking is looked at
  sample: {waiters: 2, longest_wait: 63.1, roots: [{pid: 4711, blocks: 2, tree: [{pid: 4712, waiters: [{pid: 4713, waiters: []}]}]}]}
ungranted_locks:
  description: Requests for locks that are not granted, the longest waiting first, bounded to 50.
  type: list
  elements: dict
  returned: when ungranted_locks is looked at
prepared_transactions:
  description: Prepared transactions with owner, age and whom they block, bounded to 50.
  type: list
  elements: dict
  returned: when prepared_transactions is looked at
replication:
  description: Role of the server, its standbys and other receivers of WAL, and its own state as a standby.
  type: dict
  returned: when replication is looked at
replication_slots:
  description: Slots with the WAL each keeps, and what a logical one's consumer has not confirmed of it.
  type: list
  elements: dict
  returned: when replication_slots is looked at
wraparound:
  description: Age of the oldest transaction ids by database, and what keeps old rows from being removed.
  type: dict
  returned: when wraparound is looked at
vacuum:
  description: Tables most in need of vacuum, and vacuums at work.
  type: dict
  returned: when vacuum is looked at
backups:
  description: Backups at work, and how WAL archiving does.
  type: dict
  returned: when backups is looked at
settings:
  description: Settings that matter in an incident, as a new session gets them.
  type: dict
  returned: when timeouts is looked at
databases:
  description: Sizes of the databases in bytes.
  type: list
  elements: dict
  returned: when database_size is looked at
statements:
  description: The ten statements that use most time.
  type: list
  elements: dict
  returned: when statements is looked at and pg_stat_statements is there
invalid_indexes:
  description: Indexes that are not valid, with their tables, whether a rebuild left them and whether they are being built, bounded to 200.
  returned: when invalid_indexes is looked at, but of a standby
  type: list
  elements: dict
unused_indexes:
  description: The ten largest indexes that no query has used, with the bytes and the number of all of them.
  returned: when unused_indexes is looked at, and use is counted for long enough
  type: list
  elements: dict
duplicate_indexes:
  description: The ten largest indexes that are the same as another one, with its name.
  returned: when duplicate_indexes is looked at, but of a standby
  type: list
  elements: dict
sequential_scans:
  description: The ten large tables of which most is read from beginning to end, with how often and how much.
  returned: when sequential_scans is looked at, and it is counted for long enough
  type: list
  elements: dict
probe:
  description: First row and time of the probe query, and the login that it ran as where it has its own connection.
  type: dict
  returned: when the probe query was run
probe_refused:
  description: Why no login may run the probe query, whatever is done. Empty when one may, or when that is not known yet.
  type: str
  returned: success
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
  sample: [{at: 0.0, checks: {blocking: critical}}, {at: 2.1, checks: {blocking: ok}}]
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
  sample: "Not recovered within 120 s: blocking critical."
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
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_args import health_spec
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_run import run
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg


def main() -> None:
    module = AnsibleModule(argument_spec=health_spec(), supports_check_mode=True)
    require_psycopg(module)
    leave(module, lambda: run(module.params))


if __name__ == "__main__":
    main()
