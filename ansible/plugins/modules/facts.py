#!/usr/bin/python
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tells which versions a machine has, and how it stands."""

DOCUMENTATION = r"""
---
module: facts
short_description: Tell which versions of the system a machine has
version_added: "0.1.0"
description:
  - Reads which versions of the system there are, which of them runs, which boots next, whether one is on trial, and which conflicts
    are open in their C(/etc).
  - Changes nothing.
attributes:
  check_mode:
    description: It works in check mode as it does otherwise.
    support: full
  diff_mode:
    description: There is nothing that could differ.
    support: none
extends_documentation_fragment:
  - baserock.system.versions
"""

EXAMPLES = r"""
- name: Look at the machine
  baserock.system.facts:

- name: Refuse to go on if somebody should look at it first
  ansible.builtin.assert:
    that: ansible_facts.baserock.attention | length == 0
    fail_msg: "{{ ansible_facts.baserock.attention | join('; ') }}"
"""

RETURN = r"""
ansible_facts:
  description: What is known of the machine.
  returned: always
  type: dict
  contains:
    baserock:
      description: How the machine stands.
      returned: always
      type: dict
      contains:
        versions:
          description: The versions, complete or not, as C(system-version-manager list --json) prints them.
          returned: always
          type: list
          elements: dict
        running:
          description: The label of the version that runs; null if that is another system.
          returned: always
          type: str
          sample: factory
        default:
          description: The label of the default.
          returned: always
          type: str
          sample: factory
        next:
          description: The label of the version that boots next, which is another one than the default during a trial.
          returned: always
          type: str
          sample: v2
        trial:
          description: The label of the version on trial, or null.
          returned: always
          type: str
          sample: v2
        well:
          description: Whether the version on trial has found itself well, and waits for somebody to confirm it.
          returned: always
          type: bool
        conflicts:
          description: The paths of open conflicts below C(/etc), by the labels of the versions that have any.
          returned: always
          type: dict
          sample: {"v2": ["ssh/sshd_config"]}
        attention:
          description: All that somebody should look at, in words.
          returned: always
          type: list
          elements: str
        removable:
          description: The labels of versions that can be removed.
          returned: always
          type: list
          elements: str
        pending:
          description: What is going to happen, in words.
          returned: always
          type: list
          elements: str
        space:
          description: The bytes of the volume, C(total) and C(available), or null.
          returned: always
          type: dict
        boot:
          description: What is wrong with boot menu and boot files, in words.
          returned: always
          type: list
          elements: str
        why:
          description: Why the version that boots next does, in words.
          returned: always
          type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baserock.system.plugins.module_utils.versions import OPTIONS, read_state


def main():
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    state = read_state(module)
    del state["format"]
    module.exit_json(changed=False, ansible_facts={"baserock": state})


if __name__ == "__main__":
    main()
