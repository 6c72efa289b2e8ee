# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that say which files of configuration are kept, and where."""

from __future__ import annotations


class ModuleDocFragment:
    """See CONFIG_SPEC."""

    DOCUMENTATION = r"""
options:
  paths:
    description:
      - The files that may be put back, absolute. Nothing else is read from O(source) or written, whatever it holds.
      - A file that is behind a symbolic link, here or where it is kept, is refused.
    type: list
    elements: path
    required: true
  source:
    description:
      - Where they are kept, a tar archive, also a compressed one, or a directory. Each file has its path below O(root) there.
    type: path
    required: true
  root:
    description: The directory that the names in O(source) begin below.
    type: path
    default: /
  checksum:
    description:
      - The file that vouches for O(source), as C(sha256sum) writes it. By default the archive's name with C(.sha256) at its end, or
        C(SHA256SUMS) in the directory, with a line for each file.
    type: path
    default: ""
  validate:
    description:
      - Command that ends with 0 where the configuration is valid, such as C([nginx, -t]). Where it says C({file}), it is run for each new
        file before that is put there.
    type: list
    elements: str
    default: []
  timeout:
    description: How long one command may take.
    type: str
    default: 30s
"""
