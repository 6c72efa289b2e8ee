# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks, all or those named: python -m tests.bench [NAME...], see NAMES."""

from __future__ import annotations

import importlib
import sys

NAMES = ("mitigate", "scale", "recording", "fail2ban", "firewall", "logins", "redis", "cert", "evidence", "services")


def main() -> None:
    """Run them one after the other: side by side they would measure each other."""
    chosen = sys.argv[1:] or list(NAMES)
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}: there are {', '.join(NAMES)}")
    for name in chosen:
        sys.argv = [f"bench_{name}"]
        importlib.import_module(f"tests.bench.bench_{name}").main()


if __name__ == "__main__":
    main()
