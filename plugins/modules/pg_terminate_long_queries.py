#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancel or terminate PostgreSQL sessions that hang, inside limits, and measure that they are gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_terminate_long_queries
short_description: End PostgreSQL sessions that run too long, sit idle in a transaction or block others
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Chooses sessions by rules, protects what must never be touched, stays inside limits, signals each session only if it still is the
    one that was chosen, and measures what became of it and how many waiting sessions were released.
  - In check mode no signal is sent. The result is the plan, and RV(actions) can be given back as O(approved).
  - Only ordinary client sessions are ever candidates. Never chosen are the module's own session and other runs of it, walsenders and
    consumers of replication slots, autovacuum, parallel workers (their leader counts instead), the roles of cloud providers, superusers
    (but see O(allow_superuser_roles)), backup tools (see O(protect_application_names)), sessions shown in a C(pg_stat_progress_*) view,
    running utility statements (DDL, C(VACUUM), C(COPY), C(REFRESH), C(CREATE INDEX)), sessions whose last query began a backup, members of
    O(protect_roles), sessions that our role may not signal, sessions whose commit waits for a synchronous standby (wait event
    C(SyncRep); a signal would leave a commit that no standby has), sessions of which the server does not track what they do
    (C(track_activities) is off for them, reason C(activity_not_tracked)), and sessions whose query carries the comment
    C(/* incident:keep */) or C(-- incident:keep). No filter overrides this. The server keeps the first C(track_activity_query_size)
    bytes of a query, so begin it with the comment. It shows only the last statement of a transaction. A session that is to be kept
    whatever it executes is kept by its application name, see O(protect_application_names).
  - Sessions that wait for another session's lock are not victims by default; the one at the root of their chain is. When that one is
    protected it is reported in RV(findings) and its waiters are left alone.
  - A session that is idle in transaction is always terminated, since a cancel there does nothing, though the server says yes.
  - Never sends SIGKILL, which would restart the whole server. A frozen session is reported as C(still_running).
  - Only one run at a time acts on a server; a second one is refused and names the first.
extends_documentation_fragment:
  - oncall.incident.postgresql
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.attributes.postgresql
  - oncall.incident.approved
options:
  rules:
    description:
      - Which sessions to end, tried in this order. A session belongs to the first rule that matches it.
      - A rule's clocks are any-of, one that has run out is enough. Its filters are all-of, and an C(exclude_) option always wins.
      - A rule that states no clock has those of O(min_query_age), O(min_transaction_age) and O(min_idle_in_transaction_age). A rule that
        states any clock has only the ones it states.
      - Names in filters are shell patterns (V(*), V(?), V([a-z])), compared with their case.
      - When omitted there are three rules, the sessions at the root of a chain of waiters, sessions idle in transaction, and long
        queries and transactions, with the ages of the module's options. See O(min_idle_age) for a fourth one.
    type: list
    elements: dict
    suboptions:
      name:
        description: The rule's name in reasons and errors.
        type: str
      min_query_age:
        description: Its statement has run for this long, for example V(5m).
        type: str
      min_transaction_age:
        description: Its transaction has been open for this long.
        type: str
      min_idle_in_transaction_age:
        description: It has been idle in a transaction for this long.
        type: str
      min_idle_age:
        description:
          - It has been idle, outside a transaction, for this long.
          - Counts only while client sessions take more than O(rules[].idle_when_above_percent) of the slots open to them,
            C(max_connections) less the reserved ones, and only for as many as bring them down to O(rules[].idle_target_percent),
            the longest idle of the application with the most idle sessions first.
        type: str
      idle_when_above_percent:
        description: See O(rules[].min_idle_age).
        type: float
        default: 80
      idle_target_percent:
        description: See O(rules[].min_idle_age).
        type: float
        default: 60
      states:
        description: Its state, as C(pg_stat_activity) shows it.
        type: list
        elements: str
      databases:
        description: Patterns of its database's name.
        type: list
        elements: str
      users:
        description: Patterns of its role's name.
        type: list
        elements: str
      application_names:
        description: Patterns of its application name.
        type: list
        elements: str
      client_addresses:
        description: Networks its client is in, such as V(192.0.2.0/24), or V(local) for the local socket.
        type: list
        elements: str
      query:
        description: Python regular expression that its query contains, whatever the case.
        type: str
      exclude_states:
        description: Leaves out sessions in these states.
        type: list
        elements: str
      exclude_databases:
        description: Leaves out sessions of these databases.
        type: list
        elements: str
      exclude_users:
        description: Leaves out sessions of these roles.
        type: list
        elements: str
      exclude_application_names:
        description: Leaves out sessions of these applications.
        type: list
        elements: str
      exclude_client_addresses:
        description: Leaves out sessions from these networks.
        type: list
        elements: str
      exclude_query:
        description: Leaves out sessions whose query contains this Python regular expression.
        type: str
      victims:
        description:
          - Which of the matching sessions to take, of each group where O(rules[].group_by) is given.
          - V(root_blockers) takes those that others wait for and that wait for nobody themselves. One that is idle outside a
            transaction, and holds a lock of its session such as that of C(pg_advisory_lock), has no clock of its own. The longest wait
            behind it counts against O(rules[].min_query_age) then.
        type: str
        choices: [all, oldest, all_but_oldest, root_blockers]
        default: all
      include_waiters:
        description: Whether sessions that wait for another session's lock may be chosen.
        type: bool
        default: false
      min_blocked:
        description: How many sessions must wait behind it, directly or through others. At least 1 for V(root_blockers).
        type: int
        default: 0
      group_by:
        description:
          - Handle matching sessions by groups of the same query or application.
          - Where the server computes no query ids, as in PostgreSQL 13, the query without its constants stands in for them.
        type: str
        choices: [query_id, application_name]
      min_group_size:
        description: Leave groups with fewer matching sessions alone.
        type: int
        default: 1
  min_query_age:
    description: Query age of rules that state no clock.
    type: str
    default: 5m
  min_transaction_age:
    description: Transaction age of rules that state no clock, and the age from which O(rollback_prepared) takes prepared transactions.
    type: str
    default: 15m
  min_idle_in_transaction_age:
    description: Idle-in-transaction age of rules that state no clock.
    type: str
    default: 5m
  min_idle_age:
    description:
      - Idle age of rules that state no clock, see O(rules[].min_idle_age). When omitted no idle connection is chosen.
      - Without O(rules) it adds a fourth rule, C(idle_connections), for the connections of a pool that nobody uses. It counts only while
        client sessions take more than 90 percent of the slots open to them, and takes as many as bring them down to 75 percent.
      - Idle connections beyond O(max_victims) or O(max_percent) are left and listed in RV(protected), and the others are ended all the
        same. Whoever pools them opens new ones when it needs them.
    type: str
  cancel_lock_queue:
    description:
      - Also cancel statements that wait for a lock and hold up others, which the holder of the lock would let through. An example is an
        C(ALTER TABLE) that waits behind a long query, and every later query of the table waits behind it.
      - The statement is cancelled, with C(pg_cancel_backend), whatever O(strategy) says, and its session is never ended. A statement that
        waits has not begun its work, so that it is a utility statement does not protect it. Everything else does.
      - It is cancelled only if it still is the same statement, still waits for that lock, and still holds up somebody.
      - Such statements come first, before all O(rules). Without this they are only reported.
    type: bool
    default: false
  min_lock_wait_age:
    description: For how long such a statement must have waited. Before PostgreSQL 14 the age of the statement counts.
    type: str
    default: 10s
  strategy:
    description:
      - V(cancel) ends the statement, V(terminate) the session. V(escalate) cancels, waits O(grace), and terminates what did not end.
      - With V(cancel), sessions that are idle in transaction are C(refused), with the reason.
      - A cancel also aborts the transaction and so gives its locks back, but below a savepoint only what came after it. A session that
        was chosen for its transaction or for its waiters has not ended while the transaction is open; V(escalate) terminates it then.
    type: str
    choices: [cancel, terminate, escalate]
    default: escalate
  grace:
    description: How long V(strategy=escalate) waits between the two.
    type: str
    default: 5s
  max_victims:
    description: How many sessions may be ended at most. More candidates, and nothing is signalled and the module fails.
    type: int
    default: 10
  max_percent:
    description: The same as a share of all client sessions, in percent. At least one session is allowed by it, if it is not 0.
    type: float
    default: 25
  spent:
    description:
      - How much of O(max_victims) this run has used already, in earlier calls. Whoever was signalled counts, whatever became of it.
    type: int
    default: 0
  protect_application_names:
    description: Beginnings of application names that are never touched, whatever their case. Give the default ones too when adding some.
    type: list
    elements: str
    default: [pg_dump, pg_dumpall, pg_restore, pg_basebackup, pgbackrest, barman, wal-g]
  protect_roles:
    description: Roles whose members' sessions are never touched.
    type: list
    elements: str
    default: []
  allow_superuser_roles:
    description:
      - Superuser roles whose sessions may be chosen all the same, if the module's own role is a superuser too.
      - The official container image makes the application's role a superuser.
    type: list
    elements: str
    default: []
  rollback_prepared:
    description:
      - Also roll back prepared transactions that are older than O(min_transaction_age) or that sessions wait for.
      - They have no session that could be ended. Without this they are only reported.
      - Those of a subscription are never rolled back, since that would stop its replication. Those whose C(COMMIT PREPARED) or
        C(PREPARE TRANSACTION) waits for a synchronous standby are C(refused), since they are at work.
    type: bool
    default: false
  verify_timeout:
    description: How long to wait until signalled sessions are gone.
    type: str
    default: 10s
  max_seconds:
    description: Bound of the whole call after connecting. What could not be signalled in time is reported as C(failed).
    type: str
    default: 2m
seealso:
  - module: oncall.incident.pg_health
"""

EXAMPLES = r"""
- name: Show what would be ended, with the default rules
  oncall.incident.pg_terminate_long_queries:
    login_unix_socket: /var/run/postgresql
  check_mode: true
  register: plan

- name: End exactly that
  oncall.incident.pg_terminate_long_queries:
    login_unix_socket: /var/run/postgresql
    approved: "{{ plan.actions | selectattr('outcome', 'equalto', 'planned') }}"

- name: End who blocks at least three others, then what the reporting role runs too long
  oncall.incident.pg_terminate_long_queries:
    login_host: db1.example.org
    login_user: incident
    login_password: "{{ incident_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/db-ca.pem
    rules:
      - name: root_blockers
        victims: root_blockers
        min_blocked: 3
        min_transaction_age: 30s
      - name: reports
        users: [reporting]
        exclude_application_names: ["nightly*"]
        min_query_age: 10m
    max_victims: 5

- name: Give back connections that a pool has leaked
  oncall.incident.pg_terminate_long_queries:
    login_unix_socket: /var/run/postgresql
    rules:
      - name: leaked
        min_idle_age: 10m
        idle_when_above_percent: 90
        idle_target_percent: 70
    strategy: terminate

- name: Free what queues behind an ALTER TABLE that does not get its lock
  oncall.incident.pg_terminate_long_queries:
    login_unix_socket: /var/run/postgresql
    cancel_lock_queue: true

- name: Leave one of a stampede of equal queries alive
  oncall.incident.pg_terminate_long_queries:
    login_unix_socket: /var/run/postgresql
    rules:
      - name: stampede
        group_by: query_id
        min_group_size: 5
        victims: all_but_oldest
        min_query_age: 20s
    strategy: cancel
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
actions:
  description:
    - What was done, or in check mode would be, and to whom. Refused ones too, and each approved one that is not a candidate any more.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, over the server, the process id, its start, and the clock that made it a victim.
      type: str
    verb:
      description: C(terminate), C(cancel) or C(rollback_prepared).
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
      sample: pid 42 app@shop (checkout), idle in transaction
    target:
      description: The session, with the first 1000 characters of its query, or the prepared transaction.
      type: dict
    reason:
      description: Why it was chosen.
      type: str
    outcome:
      description:
        - C(planned) in check mode.
        - C(gone), the session has ended. C(done), what it was cancelled for is over, that is its statement, or for a session that was
          chosen for its transaction or its waiters the transaction with its locks; or the prepared transaction was rolled back.
        - C(not_needed), it had ended by itself, or the server was restarted since. C(moved_on), it has begun other work, or what must not
          be ended, and was left alone, perhaps after a cancel, see C(touched); an approved one also when it is not what was approved any
          more, or when its id alone was given. C(pid_reused), the process id belongs to another session, which was left alone.
        - C(refused), not approved, over the limit, a cancel that cannot help, or an option that does not allow it now.
        - With V(strategy=cancel), C(still_running) too when the statement was cancelled and the transaction is still open with its
          locks, as below a savepoint; C(detail.transaction_open) is then V(true).
        - C(still_running), C(not_permitted), C(failed), C(unknown) (signalled, or perhaps signalled, and then the module
          lost its own session or its statement failed; see C(touched)), each of which fails the task.
      type: str
    detail:
      description:
        - Rule, clocks, signals, sessions waiting behind it, how many of them were released.
        - C(why) says in a word why it has its outcome, C(error) what the server said, C(hint) what helps.
      type: dict
    touched:
      description:
        - Whether a signal or a rollback was sent to it, whatever became of it; null when that is not known.
      type: bool
changed:
  description:
    - Whether anybody was signalled or a prepared transaction rolled back, whatever became of them, or may have been, because no answer
      came; in check mode whether somebody would be.
  returned: always
  type: bool
limits:
  description: The limits that applied.
  returned: always
  type: dict
protected:
  description:
    - Visible sessions that are never touched, why, and whether a rule would have taken them.
    - Sessions at the root of a chain that no rule takes now, with the reason C(too_young) or C(no_rule_takes_it), and idle connections
      that the limits do not allow (C(limit_exceeded)).
    - Of those with the reason C(synchronous_commit) a finding of that name in RV(findings) says what helps.
  returned: always
  type: list
  elements: dict
  sample:
    - target: {pid: 4711, application_name: pg_dump, state: active}
      reasons: [backup_tool, utility_statement]
      would_match: true
findings:
  description:
    - What stays wrong. These are a protected session (C(protected_blocker)), one that no rule takes now (C(root_blocker)) or a prepared
      transaction that blocks others, who waits at the head of a lock's queue (C(lock_queue)), commits that wait for a synchronous standby,
      sessions that no rule can judge since C(track_activities) is off for them, or a privilege that is missing.
  returned: always
  type: list
  elements: dict
plan_sha256:
  description: Hash over the ids of the actions and the limits. Equal on a second look at an unchanged server.
  returned: always
  type: str
population:
  description: Client sessions other than the module's own.
  returned: always
  type: int
waiters_before:
  description: Sessions that waited for a lock.
  returned: always
  type: int
waiters_unblocked:
  description: Sessions that waited behind those that were signalled, and do no longer. Measured; null when that was not possible.
  returned: always
  type: int
prepared_transactions:
  description: All prepared transactions, with age, owner, whom they block, and the subscription that one belongs to.
  returned: always
  type: list
  elements: dict
executed:
  description: How many signals and rollbacks were sent.
  returned: always
  type: dict
  sample: {cancel: 1, terminate: 3, rollback_prepared: 0}
statements:
  description: How many statements the module's session has sent.
  returned: always
  type: int
provider:
  description: Whose service the server is (rds, cloudsql, azure, supabase, neon), by its roles.
  returned: always
  type: str
provider_note:
  description: What that provider allows.
  returned: always
  type: str
server:
  description: Version, identity of the instance, the login used, C(max_connections).
  returned: always
  type: dict
error:
  description: On failure its kind, such as C(limit_exceeded), C(blind), C(locked), C(slots_exhausted), C(pooled) or C(actions_failed).
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

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.args import connection_spec, session_from, session_in
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import BACKUP_TOOLS
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import (
    GROUPS,
    VICTIMS,
    lock_queue_rule,
    parse_ages,
    parse_rules,
)
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import CANCEL, STRATEGIES, TERMINATE
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.prepared import ROLLBACK_PREPARED
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.termination import Request, terminate_long_queries

_NAMES = ("states", "databases", "users", "application_names", "client_addresses")


def argument_spec() -> dict[str, t.Any]:
    """The module's options."""
    names = {"type": "list", "elements": "str"}
    return {
        **connection_spec(),
        "rules": {"type": "list", "elements": "dict", "options": {
            "name": {"type": "str"},
            "min_query_age": {"type": "str"}, "min_transaction_age": {"type": "str"},
            "min_idle_in_transaction_age": {"type": "str"}, "min_idle_age": {"type": "str"},
            "idle_when_above_percent": {"type": "float", "default": 80}, "idle_target_percent": {"type": "float", "default": 60},
            **{prefix + name: dict(names) for prefix in ("", "exclude_") for name in _NAMES},
            "query": {"type": "str"}, "exclude_query": {"type": "str"},
            "victims": {"type": "str", "choices": list(VICTIMS), "default": "all"},
            "include_waiters": {"type": "bool", "default": False},
            "min_blocked": {"type": "int", "default": 0},
            "group_by": {"type": "str", "choices": list(GROUPS)},
            "min_group_size": {"type": "int", "default": 1},
        }},
        "min_query_age": {"type": "str", "default": "5m"},
        "min_transaction_age": {"type": "str", "default": "15m"},
        "min_idle_in_transaction_age": {"type": "str", "default": "5m"},
        "min_idle_age": {"type": "str"},
        "cancel_lock_queue": {"type": "bool", "default": False},
        "min_lock_wait_age": {"type": "str", "default": "10s"},
        "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "escalate"},
        "grace": {"type": "str", "default": "5s"},
        "max_victims": {"type": "int", "default": 10},
        "max_percent": {"type": "float", "default": 25},
        "spent": {"type": "int", "default": 0},
        "approved": APPROVED_SPEC,
        "protect_application_names": {**names, "default": list(BACKUP_TOOLS)},
        "protect_roles": {**names, "default": []},
        "allow_superuser_roles": {**names, "default": []},
        "rollback_prepared": {"type": "bool", "default": False},
        "verify_timeout": {"type": "str", "default": "10s"},
        "max_seconds": {"type": "str", "default": "2m"},
    }


def request_from(params: t.Mapping[str, t.Any]) -> Request:
    """The request the arguments describe; every argument is judged here, before anything is connected."""
    ages = parse_ages(params)
    min_wait = parse_duration(params["min_lock_wait_age"], name="min_lock_wait_age")
    return Request(
        rules=(*([lock_queue_rule(min_wait)] if params["cancel_lock_queue"] else []), *parse_rules(params["rules"], ages=ages)),
        strategy=params["strategy"],
        budget=Budget(max_count=params["max_victims"], max_percent=params["max_percent"], spent=params["spent"]),
        approved=read_approved(params["approved"]),
        grace=parse_duration(params["grace"], name="grace"), verify_timeout=parse_duration(params["verify_timeout"], name="verify_timeout"),
        max_seconds=parse_duration(params["max_seconds"], name="max_seconds"),
        allow_superuser_roles=tuple(params["allow_superuser_roles"]), protect_roles=tuple(params["protect_roles"]),
        protect_application_names=tuple(params["protect_application_names"]),
        rollback_prepared=params["rollback_prepared"], prepared_min_age=ages["transaction"],
    )


def main() -> None:
    """Arguments in, one call, result out."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    require_psycopg(module)

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        request = request_from(module.params)
        with contextlib.ExitStack() as opened:
            return terminate_long_queries(
                lambda: opened.enter_context(session_from(module.params)), request, check_mode=module.check_mode,
                open_database=lambda session, name: session_in(session, module.params, database=name),
            )

    leave(module, work, verbs=(CANCEL, TERMINATE, ROLLBACK_PREPARED))


if __name__ == "__main__":
    main()
