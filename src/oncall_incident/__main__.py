# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m oncall_incident` is the `incident` command."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
