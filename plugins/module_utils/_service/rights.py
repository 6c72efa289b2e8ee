# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules about services need. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CHANGE, LOOK, RBAC, ROOT, SOCKET, Chapter, Needs, Right

_DOCKER = "/var/run/docker.sock: read and write"

_PM2 = "root on the service's host, or the user whose daemon of pm2 it is"
_WORKLOADS = "get of deployments.apps, statefulsets.apps, daemonsets.apps; list of them, of replicasets.apps and of pods"
_AROUND = "list of services, endpoints, ingresses.networking.k8s.io, resourcequotas"
_NODES = "list of nodes, and of pods in all namespaces"
_OF_KUBERNETES = "a service is of Kubernetes"

_VERBS = ("start", "stop", "restart", "reload", "scale")
_CHECKS = ("daemon", "present", "running", "restarts", "oom", "health", "ready", "age", "drift")

CHAPTER = Chapter(8, "Services", (
    Needs("service_health", LOOK, (*_CHECKS, "rollout", "endpoints", "ingress", "nodes", "room"), (
        Right(SOCKET, _DOCKER, _CHECKS, "Every check is `unknown`, with what `docker` said.", named="permission denied",
              when="a service is of Compose"),
        Right(ROOT, _PM2, _CHECKS, "Every check is `unknown`, and says whose daemon it is.", named="Become", when="a service is of pm2"),
        Right(RBAC, _WORKLOADS, (*_CHECKS, "rollout"), "Every check is `unknown`, and its hint names verb and resource.", named="may not",
              when=_OF_KUBERNETES, on="Kubernetes"),
        Right(RBAC, _AROUND, ("endpoints", "ingress", "room"), "These are `unknown`, and the hint names verb and resource.",
              named="may not", when=_OF_KUBERNETES, on="Kubernetes"),
        Right(RBAC, _NODES, ("nodes", "room"), "These are `unknown`, and the hint names verb and resource.", named="may not",
              when="a service is of Kubernetes with where.nodes", on="Kubernetes"),
    )),
    Needs("service_instances", LOOK, ("instances",), (
        Right(SOCKET, _DOCKER, ("instances",), "The module fails, and says what `docker` said.", when="the runtime is Compose"),
        Right(ROOT, _PM2, ("instances",), "The module fails, and says whose daemon it is.", named="Become", when="the runtime is pm2"),
        Right(RBAC, _WORKLOADS, ("instances",), "The module fails with `not_permitted`, and names verb and resource.",
              when="the runtime is Kubernetes"),
    )),
    Needs("service_reach", LOOK, ("reaches",), (
        Right(SOCKET, _DOCKER, ("reaches",), "The check is `unknown`.", when="the runtime is Compose"),
        Right(ROOT, "root", ("reaches",), "The check is `unknown`.",
              when="the service runs as another user, or a port is tried from inside a container"),
    )),
    Needs("service_exec", CHANGE, ("exec",), (
        Right(SOCKET, _DOCKER, ("exec",), "The module fails, and says what `docker` said."),
    )),
    Needs("service_pm2", CHANGE, _VERBS, (
        Right(ROOT, _PM2, _VERBS, "The module fails, and says whose daemon it is.", named="Become"),
    )),
), text="""
Every user may look at a systemd unit. Restarting one needs root, or a rule of polkit for this unit alone, with which no `become` is
needed. sudo cannot be narrowed to one command: with `become` Ansible runs a shell that runs Python. Whoever has the socket of Docker is
root on that host.
""", example="""
// /etc/polkit-1/rules.d/50-incident.rules: the user incident may restart and reload shop.service
polkit.addRule(function (action, subject) {
  if (action.id === "org.freedesktop.systemd1.manage-units" && subject.user === "incident"
      && action.lookup("unit") === "shop.service"
      && ["start", "restart", "reload"].indexOf(action.lookup("verb")) >= 0) {
    return polkit.Result.YES;
  }
});
""")
