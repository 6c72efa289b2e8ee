# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options that say where the releases of an application are."""

from __future__ import annotations


class ModuleDocFragment:
    """See RELEASES_SPEC."""

    DOCUMENTATION = r"""
options:
  method:
    description:
      - How the application is released.
      - V(symlink) has a directory for each release, and a symbolic link to the one that runs.
      - V(git) is the same, and each directory is a work tree of a revision. A directory that is a work tree itself, without a link, is only
        looked at.
      - V(image) has an image of a service of Docker Compose for each release.
      - V(kubernetes) has a revision of a Deployment.
      - V(script) has a script of the team's own.
    type: str
    choices: [symlink, git, image, kubernetes, script]
    required: true
  where:
    description:
      - Where the releases are. Each method has keys of its own. Paths are absolute, commands are lists of words.
      - For V(symlink) the link C(path), and the directory C(releases), by default the one that the release that runs is in.
      - For V(git) the link C(path), the directory C(releases), the clone C(repository), and C(build), the command that makes a work tree
        ready to run.
      - For V(image) the service C(service), the project's C(directory) and C(files), and how the image is set, which is C(variable), a
        variable of C(env_file) (by default C(.env) of the directory) that is the whole image reference, or C(override), the last one of
        C(files), which sets this image alone. C(command) is that of Docker Compose, C(container_command) that of the container runtime.
      - For V(kubernetes) the Deployment C(name), its C(namespace), and C(kubectl), the command with its options.
      - For V(script) the commands C(list), which prints a release a line, C(current), which prints the one that runs, and C(rollback), in
        which C({release}) is the one to go back to. C(pattern) is a regular expression with one group that finds the release in a line.
    type: dict
    required: true
  notes:
    description:
      - Absolute path of the file on the host in which our runs note which releases were measured good. Empty for none.
    type: path
    default: ""
  timeout:
    description: How long one command may take.
    type: str
    default: 30s
"""
