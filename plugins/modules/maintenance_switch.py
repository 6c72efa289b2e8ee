#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_switch
short_description: Put maintenance on or off by a flag file, or by the application's own API
version_added: 0.2.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes the file O(path) whole and at once, and only where there is none. It says whose maintenance it is, since when and until when. A
    proxy that asks whether the file is there answers by it, with no reload.
  - With O(url) the application's own API is called too, and O(path) is the note beside it.
  - It removes the file only where it is the one that O(mark) names.
  - It says nothing about what users see. Measure it with M(oncall.incident.maintenance_health), as M(oncall.incident.act) does.
extends_documentation_fragment:
  - oncall.incident.attributes
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing, and calls nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
options:
  state:
    description: Whether it is put on or off.
    type: str
    choices: ["on", "off"]
    required: true
  path:
    description: Absolute path of the flag, or of the note beside an API.
    type: str
    required: true
  mode:
    description: Mode of the file. Its owner is the directory's.
    type: str
    default: "0644"
  make_directory:
    description: Make the directory of O(path) where it is not there.
    type: bool
    default: false
  text:
    description: What the file says, with O(state=on). Not to be made by hand.
    type: dict
    default: {}
  mark:
    description: With O(state=off) the mark of the file that was judged. Empty for a file that this collection has not made.
    type: str
    default: ""
  url:
    description: URL of the application's own API. Empty for none.
    type: str
    default: ""
  method:
    description: Its method.
    type: str
    default: POST
  body:
    description: What is sent, as JSON.
    type: raw
  secret_header:
    description: A header that is sent with the call, as V(X-Admin-Token: ...). It is in no output.
    type: str
    default: ""
  header_file:
    description: A file on the host that holds the header instead.
    type: str
    default: ""
  validate_certs:
    description: Whether the API's certificate must be valid.
    type: bool
    default: true
  public:
    description:
      - What users ask, as O(ignore:public) of M(oncall.incident.maintenance_health).
      - With O(url) and O(state=off) the note stays where these are in maintenance still when O(timeout) is over, and the module fails.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: The URL.
        type: str
        required: true
      name:
        description: How messages call it.
        type: str
      connect_to:
        description: Address, or C(ADDRESS:PORT), to connect to instead of the URL's.
        type: str
      method:
        description: The method.
        type: str
        choices: [GET, HEAD]
        default: GET
      headers:
        description: Headers that are sent. Their values are in no output.
        type: dict
      status:
        description: Not used here.
        type: list
        elements: int
      body:
        description: Not used here.
        type: str
      body_regex:
        description: Not used here.
        type: str
      json:
        description: Not used here.
        type: dict
      max_time:
        description: How long the answer may take.
        type: str
        default: 5s
      warn_time:
        description: Not used here.
        type: str
        default: 2s
      validate_certs:
        description: Whether the certificate must be valid.
        type: bool
        default: true
      ca:
        description: A file or directory of CAs.
        type: path
      scope:
        description: Who asks; V(host) alone.
        type: str
        default: host
      websocket:
        description: Not used here.
        type: bool
        default: false
      dependencies:
        description: Not used here.
        type: list
        elements: str
        default: []
  timeout:
    description: How long the API may take, and how long is waited for what users see.
    type: str
    default: 30s
seealso:
  - module: oncall.incident.maintenance_health
  - module: oncall.incident.act
"""

EXAMPLES = r"""
- name: Put maintenance on
  oncall.incident.maintenance_switch:
    state: "on"
    path: /var/lib/shop/maintenance.on
    text: "{{ order.text }}"
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
status:
  description: What the API answered.
  returned: with O(url)
  type: int
error:
  description:
    - What kind of failure it is, V(not_ours) when there is another file than was judged, V(not_switched) when the API said that it did it
      and did not.
  returned: failure
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.outside import read_probes, still_on
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.switching import Api, Text, switch_off, switch_on
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.web import checked_url
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._probe.args import PROBE, given


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "path": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
            "make_directory": {"type": "bool", "default": False},
            "text": {"type": "dict", "default": {}},
            "mark": {"type": "str", "default": ""},
            "url": {"type": "str", "default": ""},
            "method": {"type": "str", "default": "POST"},
            "body": {"type": "raw"},
            "secret_header": {"type": "str", "default": "", "no_log": True},
            "header_file": {"type": "str", "default": ""},
            "validate_certs": {"type": "bool", "default": True},
            "public": {"type": "list", "elements": "dict", "default": [], "options": PROBE},
            "timeout": {"type": "str", "default": "30s"},
        },
        supports_check_mode=True,
    )
    secrets, entries = module.no_log_values, given(module, "public")
    module.no_log_values = secrets
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        path = params["path"]
        if not path.startswith("/"):
            raise BadInput(f"path: {path!r} is not absolute.", hint="Give an absolute path.", argument="path")
        seconds = ranges.read(params["timeout"], name="timeout")
        probes = [probe for _kind, probe in read_probes({"public": entries})] if entries else []
        api = None
        if params["url"]:
            api = Api(
                checked_url(params["url"], name="url"), method=params["method"], body=params["body"], header=params["secret_header"],
                header_file=params["header_file"], validate_certs=params["validate_certs"],
                seconds=seconds,
            )
        try:
            mode = int(params["mode"], 8)
            text = Text(**params["text"]) if params["state"] == "on" else None
        except (TypeError, ValueError):
            raise BadInput(
                "mode or text is not as it should be.", hint="Give mode in octal digits, and text as the role makes it.", argument="text",
            ) from None
        if module.check_mode:
            return {"changed": True, "path": path}, None
        if text is None:
            return switch_off(path, params["mark"], api=api, still_on=lambda: still_on(probes, seconds=seconds)), None
        return switch_on(path, text, mode=mode, api=api, make_directory=params["make_directory"]), None

    leave(module, work)


if __name__ == "__main__":
    main()
