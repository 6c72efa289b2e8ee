# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The child of reading.py: `python -m oncall_incident.variables` takes a question as JSON and prints the answer as JSON."""

from __future__ import annotations

import json
import sys

from .ansible_side import Unreadable, answer


def main() -> int:
    """Answer one question; 2 when Ansible cannot read what was named, with its own words on standard error."""
    question = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr  # Ansible's warnings go where they do no harm
    try:
        found = answer(question)
    except Unreadable as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    json.dump(found, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
