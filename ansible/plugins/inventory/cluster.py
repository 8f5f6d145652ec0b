# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes the machines of morph's cluster files the hosts of an inventory."""

DOCUMENTATION = r"""
---
name: cluster
short_description: The machines in cluster files of morph
version_added: "0.1.0"
description:
  - Each deployment whose extension is C(ssh-rsync) becomes a host of its name, as do those that are upgraded by it.
  - All are in the group C(baserock), and in a group for each definition of a system, C(server) for C(systems/server.morph).
  - It reads cluster files themselves (C(-i clusters/fleet.morph)), or a file of YAML that lists some.
  - The variable C(baserock_location) is the place of the deployment; C(ansible_host), C(ansible_port) and C(ansible_user) follow from it.
    C(baserock_parameters) has its parameters, as text; M(baserock.system.push) passes them. C(baserock_system) is the definition of its
    system, and C(baserock_cluster) the path of the file.
options:
  plugin:
    description:
      - This plugin, in a file of YAML.
    choices: [baserock.system.cluster]
    type: str
  clusters:
    description:
      - Paths of cluster files, relative to the file of YAML.
    type: list
    elements: str
    default: []
author:
  - The Baserock developers (@baserock)
"""

EXAMPLES = r"""
# The file fleet.baserock.yml; or without it: ansible-inventory -i clusters/fleet.morph --list
plugin: baserock.system.cluster
clusters:
  - clusters/fleet.morph
"""

import json
import os
from urllib.parse import urlsplit

import yaml

from ansible.errors import AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import BaseInventoryPlugin

PUSH = "ssh-rsync"
CHOOSING = ("type", "location", "upgrade-type", "upgrade-location")
GROUP = "baserock"


class Texts(yaml.loader.BaseLoader):
    """Reads every scalar as the text of the file: `1.10` stays `1.10`. A name that stands twice in a map is an error."""

    def construct_mapping(self, node, deep=False):
        """A map."""
        names = [self.construct_object(name, deep=True) for name, _value in node.value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} is defined twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def flow(value):
    """A list or a map as text from which YAML reads it, as morph passes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{flow(name)}: {flow(each)}' for name, each in value.items())}}}"
    is_number = value.isascii() and value.isdigit() and (value == "0" or not value.startswith("0"))
    return value if is_number else json.dumps(value, ensure_ascii=False)


def parameters(given):
    """The parameters of a map of the file, with those that `<<` lays under it."""
    if not given:
        return {}
    own = {name: value if isinstance(value, str) else flow(value) for name, value in given.items() if name != "<<"}
    return {**parameters(given.get("<<")), **own}


def address(location):
    """The variables by which Ansible reaches a location: root@HOST, or ssh://root@HOST:PORT."""
    if location.lower().startswith("ssh://"):
        parts = urlsplit(location)
        user, host, port = parts.username, parts.hostname, parts.port
    else:
        user, _at, host = location.rpartition("@")
        port = None
    named = dict(ansible_host=host, ansible_user=user or None, ansible_port=port)
    return {name: value for name, value in named.items() if value is not None}


def deployment(defaults, given):
    """The location and the parameters of a deployment; None if it is not pushed."""
    every = {**parameters(defaults), **parameters(given)}
    kind, location, upgrade_kind, upgrade_location = (every.pop(name, "") for name in CHOOSING)
    if os.path.basename(upgrade_kind or kind) != PUSH:
        return None
    return upgrade_location or location, every


class InventoryModule(BaseInventoryPlugin):
    """The inventory `baserock.system.cluster`."""

    NAME = "baserock.system.cluster"

    def verify_file(self, path):
        """Whether it may be one of ours, by its name."""
        return super().verify_file(path) and path.endswith((".morph", ".baserock.yml", ".baserock.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        """Adds the machines of the file."""
        super().parse(inventory, loader, path, cache)
        if path.endswith(".morph"):
            return self._add_cluster(path)
        self._read_config_data(path)
        for cluster in self.get_option("clusters"):
            self._add_cluster(os.path.join(os.path.dirname(path), cluster))
        return None

    def _add_cluster(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                cluster = yaml.load(file, Loader=Texts)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise AnsibleParserError(f"cannot read the cluster file {path}: {error}") from error
        if not isinstance(cluster, dict) or cluster.get("kind") != "cluster":
            raise AnsibleParserError(f"{path} is no cluster file: it has no `kind: cluster`")
        self.inventory.add_group(GROUP)
        try:
            for system in cluster.get("systems") or []:
                self._add_system(path, system)
        except (AttributeError, KeyError, TypeError) as error:
            raise AnsibleParserError(f"{path} is no cluster file that morph takes; `morph check {path}` says why") from error

    def _add_system(self, path, system):
        definition = system["morph"]
        name = os.path.basename(definition)
        name = name[:-len(".morph")] if name.endswith(".morph") else name
        group = self.inventory.add_group(to_safe_group_name(name, force=True, silent=True))
        for host, given in (system.get("deploy") or {}).items():
            pushed = deployment(system.get("deploy-defaults"), given)
            if pushed is None:
                continue
            location, every = pushed
            if not location:
                raise AnsibleParserError(f"{path}: deployment {host} has no location; add `location:` to it")
            for parent in (GROUP, group):
                self.inventory.add_host(host, parent)
            variables = dict(address(location), baserock_location=location, baserock_parameters=every,
                             baserock_system=definition, baserock_cluster=path)
            for variable, value in variables.items():
                self.inventory.set_variable(host, variable, value)
