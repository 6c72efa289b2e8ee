#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_renew
short_description: Renew certificates that are due, and restore them if validation fails
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Renews the named certificates that are due, with certbot or any other command, one after the other and each once. It is never tried
    again in the same run, since authorities limit attempts.
  - For each one it asks the server whether its configuration is valid before anything is requested, backs up the certificate, its key
    and how it is renewed, runs the command, compares the new certificate with its key, with the names it is for and with the one before,
    and asks the server again. When any of that fails, the old files are put back, and it is measured that they are there.
  - It reloads nothing. A server goes on with what it has in memory until somebody does; the role C(oncall.incident.certificate) does.
  - The files decide, not the command's status. When the command fails and left a certificate that passes all of that, as when only a
    hook failed, or when certbot's timer renewed it at the same moment, it is kept. Another certbot is waited for, within O(timeout), and
    nothing is put back while it is at work.
  - A run that was killed in between is noticed by the next one, which keeps what was left when it may be served and puts the old
    files back otherwise. Where the certificate is still the one from before and its key belongs to it, no file is touched.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.approved
attributes:
  idempotent:
    support: full
    details:
      - A certificate that is not due is left alone, unless O(force) names it.
requirements:
  - cryptography 38 or newer on the host that runs the module
options:
  lineages:
    description: The certificates.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, for certbot the one that C(certbot certificates) shows.
        type: str
        required: true
      certificate:
        description: File with the certificate and those that issued it, in PEM. By default certbot's C(fullchain.pem).
        type: path
      key:
        description: File with its private key. By default certbot's C(privkey.pem).
        type: path
      names:
        description: Names and addresses that the new certificate must be for. By default those that the present one is for.
        type: list
        elements: str
        default: []
      command:
        description:
          - Command that renews it instead of certbot; V({name}) in it becomes its name.
          - It must write O(lineages[].certificate) and O(lineages[].key).
        type: list
        elements: str
      keep:
        description: Further files and directories that the command may change. They are backed up and put back too.
        type: list
        elements: path
        default: []
      validate:
        description: Replaces O(validate) for this certificate. An empty list validates nothing.
        type: list
        elements: str
  validate:
    description:
      - Command that ends with 0 when the server would take its configuration, such as C(nginx -t).
      - An empty list validates nothing.
    type: list
    elements: str
    default: []
  certbot:
    description: The command of certbot.
    type: list
    elements: str
    default: [certbot]
  certbot_args:
    description: Further arguments of C(certbot renew).
    type: list
    elements: str
    default: []
  config_dir:
    description:
      - Where certbot keeps its certificates. Two runs on a host with the same one exclude each other, wherever their backups are.
    type: path
    default: /etc/letsencrypt
  force:
    description:
      - Names of certificates that are renewed although they are not due. certbot is then told C(--force-renewal), and otherwise never.
    type: list
    elements: str
    default: []
  due_days:
    description: Days before its end from which a certificate is due. Of this and O(due_percent) the one that comes later in time decides.
    type: float
    default: 21
  due_percent:
    description: Share of its lifetime, in percent, that is left when a certificate is due.
    type: float
    default: 25
  max_renewals:
    description: How many certificates may be renewed. When more are due, none is and the module fails.
    type: int
    default: 3
  spent:
    description: How much of O(max_renewals) this run has used already.
    type: int
    default: 0
  max_failures:
    description:
      - A certificate for which so many attempts failed within O(failure_window) is not tried again, in later runs neither.
      - Let's Encrypt allows 5 failed validations for an account and a name in an hour.
    type: int
    default: 3
  failure_window:
    description: How long a failed attempt counts.
    type: str
    default: 1h
  backup_dir:
    description: Directory for backups, with mode 0700. The last ten attempts of each certificate are kept.
    type: path
    default: /var/lib/oncall-incident/certificates
  timeout:
    description: How long renewing one certificate may take.
    type: str
    default: 5m
  validate_timeout:
    description: How long one validation may take.
    type: str
    default: 30s
seealso:
  - module: oncall.incident.cert_expiry
"""

EXAMPLES = r"""
- name: Renew the shop's certificate with certbot when it is due
  oncall.incident.cert_renew:
    lineages:
      - name: shop.example.org
        names: [shop.example.org, www.shop.example.org]
    validate: [nginx, -t]

- name: Renew one with another client, NGINX being in a container
  oncall.incident.cert_renew:
    lineages:
      - name: chat.example.org
        certificate: /srv/chat/tls/fullchain.pem
        key: /srv/chat/tls/privkey.pem
        command: [/usr/local/bin/acme.sh, --renew, --domain, "{name}"]
        keep: [/root/.acme.sh/chat.example.org]
    validate: [docker, compose, --project-directory, /srv/chat, exec, -T, nginx, nginx, -t]
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether a certificate was renewed, or an unfinished renewal settled. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - C(renew_certificate) is C(done) when another certificate is in the file, it passed every check, and the server would take it. It is
      C(failed) otherwise, with C(why), C(error) and whether C(files) are C(unchanged), C(restored), C(not restored) or C(in use) in its
      C(detail), or C(unknown), and fails the task.
    - C(command_failed) in the C(detail) of one that is C(done) is what the command said that failed all the same.
    - C(settle_renewal) finishes what a killed run left. C(found) in the C(detail) of one that is C(done) is why what was left is not
      served. A renewal waits for it, C(refused), when it is not C(done).
    - There is one for each approved certificate that is not due any more. C(moved_on), with C(why), when another certificate is there by
      now (C(identity_changed)), or when it is no longer due or named (C(no_longer_matches)).
    - C(refused) are those that were not approved, that are over a limit, or that failed too often.
    - RV(actions[].detail) names the C(backup).
  returned: when the certificates could be read
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
      sample: certificate shop.example.org
    detail:
      description: Serial number, fingerprint and end before and after; what failed.
      type: dict
      returned: always
limits:
  description: The limits.
  returned: success
  type: dict
protected:
  description: Always empty.
  returned: success
  type: list
  elements: dict
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

import datetime
import platform
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewal import (
    RENEW,
    SETTLE,
    due_thresholds,
    lineages_from,
    renewals,
)
from ansible_collections.oncall.incident.plugins.module_utils._certificate.library import require_cryptography
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.commands import find, run
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.journal import Journal
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.keys import key_problem
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.locks import released
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.reading import read
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.renew import Bounds, Effects, renew
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def argument_spec() -> dict[str, t.Any]:
    """The options."""
    words: dict[str, t.Any] = {"type": "list", "elements": "str"}
    return {
        "lineages": {"type": "list", "elements": "dict", "required": True, "options": {
            "name": {"type": "str", "required": True},
            "certificate": {"type": "path"},
            "key": {"type": "path"},
            "names": {**words, "default": []},
            "command": words,
            "keep": {"type": "list", "elements": "path", "default": []},
            "validate": words,
        }},
        "validate": {**words, "default": []},
        "certbot": {**words, "default": ["certbot"]},
        "certbot_args": {**words, "default": []},
        "config_dir": {"type": "path", "default": "/etc/letsencrypt"},
        "force": {**words, "default": []},
        "due_days": {"type": "float", "default": 21},
        "due_percent": {"type": "float", "default": 25},
        "max_renewals": {"type": "int", "default": 3},
        "spent": {"type": "int", "default": 0},
        "max_failures": {"type": "int", "default": 3},
        "failure_window": {"type": "str", "default": "1h"},
        "backup_dir": {"type": "path", "default": "/var/lib/oncall-incident/certificates"},
        "timeout": {"type": "str", "default": "5m"},
        "validate_timeout": {"type": "str", "default": "30s"},
        "approved": APPROVED_SPEC,
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    require_cryptography(module)
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        lineages = lineages_from(
            params["lineages"], config_dir=params["config_dir"], certbot=params["certbot"], certbot_args=params["certbot_args"],
            validate=params["validate"], force=params["force"],
            thresholds=due_thresholds(days=params["due_days"], percent=params["due_percent"]),
        )
        return renew(
            lineages, host=platform.node(), config_dir=params["config_dir"], journal=Journal(params["backup_dir"]),
            effects=Effects(
                read=read, key_problem=key_problem, run=run, find=find, released=released,
                now=lambda: datetime.datetime.now(tz=datetime.timezone.utc),
            ),
            bounds=Bounds(
                budget=renewals(params["max_renewals"], spent=params["spent"]),
                timeout=parse_duration(params["timeout"], name="timeout"),
                validate_timeout=parse_duration(params["validate_timeout"], name="validate_timeout"),
                max_failures=params["max_failures"], failure_window=parse_duration(params["failure_window"], name="failure_window"),
            ),
            approved=read_approved(params["approved"]), check_mode=module.check_mode,
        )

    leave(module, work, verbs=(RENEW, SETTLE))


if __name__ == "__main__":
    main()
