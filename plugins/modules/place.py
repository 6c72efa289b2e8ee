#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: place
short_description: Report the target of a phase and the user
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says in one sentence what the tasks after it look at, where, as whom and by which way, so that a look at the wrong server is seen at
    once. It stands first in every C(investigate) entry point of this collection. The recorder keeps the sentence as an event of its own.
  - It runs on the controller and connects to nothing. Passwords are not taken. The user on the managed host is the task's own, by
    C(become) or by the connection, so give it the C(become) of the tasks after it.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  what:
    description: What is looked at, for example C(PostgreSQL).
    type: str
    required: true
  logins:
    description: The logins in the order in which they are tried. What a later one does not state is the first one's.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name or address. Without it and O(logins[].unix_socket) the sentence says C(local socket).
        type: str
      port:
        description: Port.
        type: str
      unix_socket:
        description: Socket, or its directory.
        type: str
      user:
        description: User of the server.
        type: str
      database:
        description: Database.
        type: str
      tls:
        description: Whether the connection uses TLS.
        type: bool
        default: false
  targets:
    description:
      - Addresses, paths and the like, as text or as a dictionary with C(host) and C(port), or with C(path). The first five are named, the
        others counted.
    type: list
    elements: raw
    default: []
  via:
    description:
      - How the target is reached. By V(host) and V(container) the managed host asks, by all others, such as V(controller),
        V(ssh_tunnel) and V(kubernetes), the controller.
    type: str
    default: host
  container_name:
    description: The container, with O(via=container).
    type: str
    default: ""
  ssh_destination:
    description: Where the tunnel leads, with O(via=ssh_tunnel). Empty is the managed host.
    type: str
    default: ""
  kubernetes_target:
    description: Pod or service, with O(via=kubernetes).
    type: str
    default: ""
  kubernetes_namespace:
    description: Its namespace.
    type: str
    default: ""
  kubernetes_context:
    description: Context of the kubeconfig.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Report the target and the user
  oncall.incident.place:
    what: PostgreSQL
    logins:
      - host: db1.example.org
        port: 5432
        user: oncall
        database: shop
    via: controller
"""

RETURN = r"""
contract:
  description: Names this form of result.
  returned: success
  type: str
  sample: oncall.incident/place/1
msg:
  description: The sentence.
  returned: success
  type: str
  sample: PostgreSQL at oncall@db1.example.org:5432/shop (from localhost)
"""
