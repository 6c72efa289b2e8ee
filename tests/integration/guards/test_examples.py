# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook that the documentation shows passes Ansible's syntax check: all in one process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "roles").glob("*/README.md"))]


def test_playbooks_of_the_pages_pass_the_syntax_check(tmp_path: Path) -> None:
    written = []
    for page in PAGES:
        blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks):
            if isinstance(yaml.safe_load(block), list):
                # Ansible's error names the file.
                path = tmp_path / f"{page.parent.name}-{number}.yml"
                path.write_text(block)
                written.append(path)
    assert len(written) >= len(PAGES) - 1
    argv = [Path(sys.executable).parent / "ansible-playbook", "-i", "db,", "--syntax-check", *written]
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("playbook: ") == len(written), "each was read"
