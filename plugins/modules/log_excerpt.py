#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_excerpt
short_description: Read the warnings and errors at the end of a log
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Reads at most the last O(max_kib) of a log and returns its warnings and errors, as evidence. It only reads.
  - What is a warning is said by the grammar of the O(product) that wrote the log. Redis, for example, writes a sign before the text and no
    word.
  - Passwords in the lines are replaced. Quoted values are replaced where the product logs SQL, since they are its users' data. In the
    logs of other products they stay, since they are part of the sentence.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  path:
    description: The log, or a directory, of which the file written last is taken.
    type: path
    required: true
  max_kib:
    description: How much of its end is read.
    type: int
    default: 64
  max_lines:
    description: How many lines are returned, the last ones.
    type: int
    default: 200
  product:
    description:
      - Whose log it is.
      - V(postgresql) knows stderr, syslog, csvlog and jsonlog, and the severities in every language that the server is translated into. The
        reason why it ended is found among messages in English; of other languages the last line of the severities C(FATAL) and C(PANIC)
        is taken.
      - V(redis) is for Redis, Valkey, KeyDB and Sentinel, with the sign before the text or C(level=) of Valkey's C(logfmt).
      - V(nginx), V(certbot) and V(fail2ban) are for the error logs of these programs, V(sshd) for its lines in a system log, and V(journal)
        for the output of C(journalctl --output json), and for lines that begin with a priority such as C(<3>).
      - V(generic) looks for the usual words (C(WARNING), C(ERROR), C(FATAL), C(PANIC), C(CRITICAL), C(ALERT), C(EMERG)), and replaces
        quoted values.
    type: str
    choices: [generic, postgresql, redis, nginx, certbot, fail2ban, sshd, journal]
    default: generic
  levels:
    description: Words that a line must contain one of, in place of what O(product) marks as a warning or worse.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read the server's last errors
  oncall.incident.log_excerpt:
    path: /var/log/postgresql
    product: postgresql
  register: log
"""

RETURN = r"""
readable:
  description: Whether the log could be read.
  returned: success
  type: bool
reason:
  description: Why not.
  returned: when it could not be read
  type: str
hint:
  description: What to grant, or what else to do.
  returned: when it could not be read
  type: str
product:
  description: Whose log it was read as.
  returned: success
  type: str
contract:
  description: Names the form of RV(findings) and RV(skipped_checks).
  returned: when it could not be read
  type: str
  sample: oncall.incident/verdict/1
findings:
  description: Empty, since a log is not judged.
  returned: when it could not be read
  type: list
  elements: dict
skipped_checks:
  description: That the log could not be read, as the check C(log), so that the screen and the report say it.
  returned: when it could not be read
  type: list
  elements: dict
  contains:
    check:
      description: Always C(log).
      type: str
    reason:
      description: Why it could not be read, and what to grant.
      type: str
    hint:
      description: What to grant, or what else to do.
      type: str
    kind:
      description: Always V(could_not_look).
      type: str
path:
  description: The file that was read.
  returned: success
  type: str
bytes_read:
  description: How much of it was read.
  returned: when it could be read
  type: int
counts:
  description: How many lines there are of each level.
  returned: when it could be read
  type: dict
lines:
  description: The lines, redacted.
  returned: when it could be read
  type: list
  elements: str
last_fatal:
  description:
    - The last line that says why the program ended or could not begin, redacted. Empty where there is none since it was last up.
    - A line that only says that it ended is taken where no line says why.
  returned: when it could be read
  type: str
  sample: "812:M 03 Mar 2026 02:14:07.120 # Can't handle RDB format version 12"
left_out:
  description: How many earlier lines of these levels were left out.
  returned: when it could be read
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.excerpt import excerpt, last_words
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import VERDICT_CONTRACT, Skipped
from ansible_collections.oncall.incident.plugins.module_utils._core.log_grammars import GRAMMARS
from ansible_collections.oncall.incident.plugins.module_utils._module.logs import read_log


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "max_kib": {"type": "int", "default": 64},
            "max_lines": {"type": "int", "default": 200},
            "product": {"type": "str", "choices": list(GRAMMARS), "default": "generic"},
            "levels": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    grammar = GRAMMARS[params["product"]]
    log = read_log(params["path"], max_bytes=max(params["max_kib"], 1) * 1024)
    said = {"changed": False, "path": log.path, "product": grammar.product}
    if log.trouble:
        # Evidence that is not there is no reason to stop an incident's run. It is told as a check that could not be looked at.
        left = Skipped("log", log.unread, log.hint)
        module.exit_json(
            **said, readable=False, reason=log.trouble, hint=log.hint, contract=VERDICT_CONTRACT, findings=[],
            skipped_checks=[left.as_dict()],
        )
    module.exit_json(
        **said, readable=True, bytes_read=log.size, last_fatal=last_words(log.text, grammar=grammar),
        **excerpt(log.text, grammar=grammar, levels=params["levels"], max_lines=max(params["max_lines"], 1)),
    )


if __name__ == "__main__":
    main()
