# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the releases of an application are, as the inventory says it, checked.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.errors import BadInput
from ..._core.suggest import suggest
from ..._core.words import command_words, words_list

SYMLINK, GIT, IMAGE, KUBERNETES, SCRIPT = METHODS = ("symlink", "git", "image", "kubernetes", "script")
#: What each method must know, and what it may.
_KEYS: t.Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    SYMLINK: (("path",), ("releases",)),
    GIT: (("path", "releases", "repository"), ("build",)),
    IMAGE: (("service",), ("directory", "files", "command", "container_command", "variable", "env_file", "override")),
    KUBERNETES: (("name",), ("namespace", "kubectl")),
    SCRIPT: (("list", "current", "rollback"), ("pattern",)),
}
_PATHS = ("path", "releases", "repository", "directory", "env_file", "override")
_COMMANDS = ("build", "command", "container_command", "kubectl", "list", "current", "rollback")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: How a line of the team's own script names a release: its first word, after the mark of the one that runs.
FIRST_WORD = r"^\s*[*>]?\s*(\S+)"


@dataclasses.dataclass(frozen=True)
class Where:
    """Where the releases are.

    Attributes:
        method: one of METHODS.
        path: the symbolic link that says which release runs.
        releases: the directory of the releases.
        repository: the clone that has the revisions.
        build: what makes a work tree ready to run, run in it.
        service: of the Compose project.
        directory, files, command, container_command: of the Compose project; see compose_argv().
        variable, env_file: the variable that is the service's whole image reference, and the file that sets it.
        override: the last file of the Compose project, which is ours: it sets the service's image alone.
        name, namespace, kubectl: of the Deployment.
        list, current, rollback: the team's own commands; {release} in the last one is the release's name.
        pattern: how a line of `list` and `current` names a release, with one group.
    """

    method: str
    path: str = ""
    releases: str = ""
    repository: str = ""
    build: tuple[str, ...] = ()
    service: str = ""
    directory: str = ""
    files: tuple[str, ...] = ()
    command: tuple[str, ...] = ("docker", "compose")
    container_command: tuple[str, ...] = ("docker",)
    variable: str = ""
    env_file: str = ""
    override: str = ""
    name: str = ""
    namespace: str = "default"
    kubectl: tuple[str, ...] = ("kubectl",)
    list: tuple[str, ...] = ()
    current: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()
    pattern: str = FIRST_WORD

    @property
    def subject(self) -> str:
        """What is switched, as one sentence part: the key of its notes, and the subject of its findings."""
        if self.method == IMAGE:
            return f"service {self.service}{f' of {self.directory}' if self.directory else ''}"
        if self.method == KUBERNETES:
            return f"deployment {self.namespace}/{self.name}"
        return self.path if self.method in (SYMLINK, GIT) else " ".join(self.current)

    @classmethod
    def of(cls, method: str, given: t.Mapping[str, t.Any]) -> Where:
        """The argument `where` of a method.

        Raises:
            BadInput: names the key that is missing, unknown or not usable.
        """
        if method not in METHODS:
            raise BadInput(f"method: there is no {method!r}.", hint=f"{suggest(method, METHODS)}Choose one of {', '.join(METHODS)}.")
        needed, more = _KEYS[method]
        said = {key: value for key, value in given.items() if value not in (None, "")}
        for key in said:
            if key not in (*needed, *more):
                known = (*needed, *more)
                raise BadInput(f"where: method {method} has no key {key}.", hint=f"{suggest(key, known)}It has {', '.join(known)}.")
        for key in needed:
            if not said.get(key):
                raise BadInput(f"where: method {method} needs {key}.", hint=f"Give {', '.join(needed)}.")
        values: dict[str, t.Any] = {"method": method}
        for key, value in said.items():
            values[key] = _value(key, value)
        found = cls(**values)
        found._check()
        return found

    def _check(self) -> None:
        if self.variable and self.override:
            raise BadInput("where: variable and override exclude each other.", hint="Give the one that sets the service's image.")
        if self.variable and not _VARIABLE.match(self.variable):
            raise BadInput(f"where.variable: {self.variable!r} is not the name of a variable.", hint="Give a name such as SHOP_IMAGE.")
        if self.variable and not (self.env_file or self.directory):
            raise BadInput("where: variable needs env_file or directory.", hint="Say which file sets the variable.")
        if self.override and self.override not in self.files:
            raise BadInput("where.override is not among where.files.", hint="Add it as the last one of files.")
        for key in ("service", "name", "namespace"):
            if getattr(self, key) and not _NAME.match(getattr(self, key)):
                raise BadInput(f"where.{key}: {getattr(self, key)!r} is not a name.", hint="Use letters, digits, dots, _ and -.")
        if self.rollback and not any("{release}" in word for word in self.rollback):
            raise BadInput("where.rollback does not say {release}.", hint="Write {release} where the release's name belongs.")
        try:
            groups = re.compile(self.pattern).groups
        except re.error as exc:
            raise BadInput(f"where.pattern is not a regular expression: {exc}.", hint="Correct it.") from None
        if groups != 1:
            raise BadInput("where.pattern must have one group.", hint="Put what names the release into parentheses.")


def _value(key: str, value: t.Any) -> t.Any:
    if key in _COMMANDS:
        words = tuple(str(word) for word in command_words(value))
        if not words:
            raise BadInput(f"where.{key} is empty.", hint="Give a command as a list of words.")
        return words
    if key == "files":
        return tuple(str(one) for one in words_list(value))
    if not isinstance(value, str):
        raise BadInput(f"where.{key} is not a text.", hint=f"Give {key} as a text.")
    if key in _PATHS and not value.startswith("/"):
        raise BadInput(f"where.{key}: {value} is not an absolute path.", hint="Give it from / on.")
    return value.rstrip("/") or "/" if key in _PATHS else value
