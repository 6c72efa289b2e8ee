#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What runs on the host is here; what fetches, redacts and keeps it is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Capture the state of a host during an incident
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Runs a fixed list of read-only commands on the host, the most volatile first (RFC 3227), and streams their output to the
    controller, into C(hosts/) of the run's directory. It changes nothing but its own temporary files, which it removes.
  - Each command has a time limit and a size limit, and all of it has a time budget. What did not fit is reported as deferred;
    with O(part=rest) it is taken later.
  - Outputs never travel as results. Secrets are removed on the way, by the rules of the run's record, and what is kept is hashed.
  - Nothing here fails a run. A host that cannot be reached, a missing program and a full disk are in the result and in the index.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  part:
    description:
      - V(first) takes the list within O(budget). V(rest) takes what V(first) deferred, and the logs of O(files).
    type: str
    choices: [first, rest]
    default: first
  once:
    description: Do not take a second snapshot of the same part of a host in a run.
    type: bool
    default: true
  units:
    description: Systemd units whose state and journal are taken. Without any, the journal from warnings upwards.
    type: list
    elements: str
    default: []
  since:
    description:
      - When the incident began, in ISO 8601 or as seconds since the epoch. The journal is taken from then on; by default of an hour.
    type: str
  files:
    description:
      - Logs whose ends are taken with O(part=rest), by absolute path. Of a directory the file written last.
      - A path may be a pattern, such as V(/var/log/app/*.log), which the host expands. Of its files those are taken that were written last,
        at most O(max_files) and together as much as O(max_file_mib). What is left out is said. Packed files are, since no secrets are
        found in them, and what another path has taken.
      - They are read where they are; nothing is copied on the host.
    type: list
    elements: str
    default: []
  redis:
    description: Redis servers of the host whose INFO, clients and slow log are taken, by C(redis-cli).
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Where it listens.
        type: str
        default: 127.0.0.1
      port:
        description: Its port.
        type: int
        default: 6379
      user:
        description: User to log in as.
        type: str
      password:
        description: Password; it is not on the command line.
        type: str
  services:
    description:
      - The host's services, as O(oncall.incident.service_health#module:services). Their states, the events of their engine, which keeps
        few, and the last 200 lines of each instance's log are taken before anything else, since a restart erases them.
      - Of an instance nothing is kept that holds an environment or a command line. Items are named C(service01_NAME_logs), by its place in
        the list.
    type: list
    elements: dict
    default: []
  only:
    description: Names of items to take, and no others but the logs of O(files).
    type: list
    elements: str
  skip:
    description: Names of items not to take.
    type: list
    elements: str
    default: []
  budget:
    description: How long all commands on the host may take, and after which no further output is fetched.
    type: str
    default: 20s
  command_timeout:
    description: How long one command may take.
    type: str
    default: 5s
  max_kib:
    description: How much of one command's output is kept.
    type: int
    default: 8192
  max_total_mib:
    description: How much all outputs may need on the host's disk at most. Half of what is free is left in any case.
    type: int
    default: 64
  max_file_mib:
    description: How much of the end of a log is taken, and of all files of a pattern together.
    type: int
    default: 256
  max_files:
    description: How many files of one pattern in O(files) are taken.
    type: int
    default: 10
  local:
    description:
      - Keep what is taken although the machine that answers is the one that Ansible itself runs on, under another name than C(localhost)
        or its own. Without it nothing is kept of such a host; the result says so with RV(refused).
      - A container of that machine is a host of its own when it has a process namespace or a machine id of its own.
    type: bool
    default: false
  dest:
    description: Directory on the controller for the outputs. By default that of the run that is being recorded.
    type: path
  spool:
    description: Directory on the host for outputs that are waiting. The action plugin sets it.
    type: path
"""

EXAMPLES = r"""
- name: Capture the state of the host
  oncall.incident.snapshot:
    units: [postgresql.service]
    since: "2026-01-02T03:04:05Z"

- name: Take the rest, and the end of the server's log
  oncall.incident.snapshot:
    part: rest
    budget: 2m
    files: [/var/log/postgresql, "/var/log/app/*.log"]
"""

RETURN = r"""
collected:
  description: Whether anything was taken.
  returned: always
  type: bool
reason:
  description: Why nothing was.
  returned: when nothing was
  type: str
refused:
  description:
    - V(controller) when nothing is kept since the machine that answered is the one that Ansible itself runs on.
    - V(unknown) when nothing is kept since it does not tell which it is.
  returned: when it is refused
  type: str
machine:
  description: The machine that answered, as it tells itself; what it does not tell is left out.
  returned: when the host was asked
  type: dict
  contains:
    hostname:
      description: Its name.
      type: str
    machine_id:
      description: Its machine id.
      type: str
    boot_id:
      description: The id of its kernel's boot. Containers share it with their host.
      type: str
    pid_namespace:
      description: Its process namespace.
      type: str
    controller:
      description: Whether it is the machine that Ansible itself runs on. Left out when it does not tell which it is.
      type: bool
index:
  description: How far C(index.jsonl) of the host's directory had come.
  returned: when there is one
  type: dict
  contains:
    path:
      description: The file, below the run's directory.
      type: str
    bytes:
      description: Its size then.
      type: int
    sha256:
      description: The hash of those bytes.
      type: str
directory:
  description: Where the outputs are, on the controller.
  returned: when a snapshot was taken
  type: str
entries:
  description: What was taken, in its order. All that is known about each is in C(index.jsonl) of the directory.
  returned: when a snapshot was taken
  type: list
  elements: dict
  contains:
    name:
      description: Name of the item.
      type: str
    status:
      description: V(collected), V(timed_out), V(not_available), V(deferred), V(failed).
      type: str
    argv:
      description: The exact command.
      type: list
      elements: str
    rc:
      description: Its exit status.
      type: int
    reason:
      description: Why it was not taken, or for a pattern how many files it matches and how many were taken.
      type: str
    path:
      description: The file, below the run's directory.
      type: str
    bytes:
      description: Its size.
      type: int
    sha256:
      description: Its hash.
      type: str
    truncated:
      description: Whether there was more.
      type: bool
deferred:
  description: Names of what no time or space was left for.
  returned: when a snapshot was taken
  type: list
  elements: str
clock_offset:
  description: How far the host's clock is ahead of the controller's, in seconds.
  returned: when a snapshot was taken
  type: float
clock_uncertainty:
  description: By how much that may be wrong, in seconds.
  returned: when a snapshot was taken
  type: float
seconds:
  description: How long it took.
  returned: when a snapshot was taken
  type: float
"""

import contextlib
import functools
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.moments import since_from
from ansible_collections.oncall.incident.plugins.module_utils._core.shown import shown_service
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import exit_with
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import services_of
from ansible_collections.oncall.incident.plugins.module_utils._service.kept import items_of
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.catalogue import (
    catalogue,
    chosen,
    in_order,
    redis,
)
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.collect import Bounds, hand_over, take
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.patterns import logs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "part": {"type": "str", "choices": ["first", "rest"], "default": "first"},
            "once": {"type": "bool", "default": True},
            "units": {"type": "list", "elements": "str", "default": []},
            "since": {"type": "str"},
            "files": {"type": "list", "elements": "str", "default": []},
            "redis": {"type": "list", "elements": "dict", "default": [], "options": {
                "host": {"type": "str", "default": "127.0.0.1"}, "port": {"type": "int", "default": 6379}, "user": {"type": "str"},
                "password": {"type": "str", "no_log": True},
            }},
            "services": {"type": "list", "elements": "dict", "default": []},
            "only": {"type": "list", "elements": "str"},
            "skip": {"type": "list", "elements": "str", "default": []},
            "budget": {"type": "str", "default": "20s"},
            "command_timeout": {"type": "str", "default": "5s"},
            "max_kib": {"type": "int", "default": 8192},
            "max_total_mib": {"type": "int", "default": 64},
            "max_file_mib": {"type": "int", "default": 256},
            "max_files": {"type": "int", "default": 10},
            "local": {"type": "bool", "default": False},
            "dest": {"type": "path"},
            "spool": {"type": "path"},
        },
        supports_check_mode=True,
    )
    args = module.params
    services = args["services"]
    args["services"] = [shown_service(one) for one in services]
    try:
        ranges.require({name: args[name] for name in ("max_kib", "max_total_mib", "max_file_mib", "max_files")})
        since, patience = since_from(args["since"]), ranges.read(args["command_timeout"], name="command_timeout")
        known = [
            *items_of(services_of(services), since=since, run=functools.partial(run, seconds=patience)),
            *catalogue(units=args["units"], since=since), *redis(args["redis"]),
        ]
        items = in_order([*chosen(known, only=args["only"], skip=args["skip"]), *logs(args["files"], most=args["max_files"])])
        bounds = Bounds(
            seconds=ranges.read(args["budget"], name="budget"),
            command_seconds=patience, command_bytes=max(args["max_kib"], 1) * 1024,
            file_bytes=max(args["max_file_mib"], 1) << 20, total_bytes=max(args["max_total_mib"], 1) << 20,
        )
        spool = args["spool"]
        if not spool or not os.access(spool, os.W_OK | os.X_OK):
            spool = tempfile.mkdtemp(prefix="oncall-snapshot-")
        with contextlib.suppress(OSError):
            os.nice(10)
        entries = take(items, spool=spool, bounds=bounds)
        direct = hand_over(spool)
    except IncidentError as exc:
        module.fail_json(**exc.as_result())
    except OSError as exc:
        module.fail_json(error="cannot_spool", msg=f"{exc.filename or 'The temporary directory'}: {exc.strerror}. Free some space there.")
    exit_with(module, changed=False, entries=entries, spool=spool, direct=direct)


if __name__ == "__main__":
    main()
