#!/usr/bin/python
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Has a machine fetch a version of its system."""

DOCUMENTATION = r"""
---
module: fetch
short_description: Have a machine fetch a version of its system
version_added: "0.1.0"
description:
  - The machine fetches the version that a channel of a repository offers, or the one of I(label), and puts it beside the others. What it has
    already is not transferred. The default stays; M(baserock.system.version) chooses it.
options:
  url:
    description:
      - The repository, with a C(/) in it. Without it, the machine asks the one that it is configured for.
    type: str
  channel:
    description:
      - The channel, such as C(stable).
    type: str
  label:
    description:
      - The version, if it is not the one that the channel offers.
    type: str
attributes:
  check_mode:
    description: It makes a dry run, which tells what would be fetched, and changes nothing.
    support: full
  diff_mode:
    description: It shows the labels of the versions before and after.
    support: full
extends_documentation_fragment:
  - baserock.system.versions
"""

EXAMPLES = r"""
- name: Fetch the newest version of a channel
  baserock.system.fetch:
    url: https://updates.example.org/server
    channel: stable
  register: fetched

- name: Try it at the next boot
  baserock.system.version:
    label: "{{ fetched.label }}"
    state: trial
"""

RETURN = r"""
label:
  description: The label of the version that was fetched, or was there.
  returned: always
  type: str
  sample: v2
present:
  description: Whether the machine has the version, or would have it. A channel may offer it to a share of the machines, and not to this one yet.
  returned: always
  type: bool
bytes:
  description: How many bytes were transferred; in check mode, how many new contents have, before compression.
  returned: always
  type: int
  sample: 1048576
conflicts:
  description: The paths of open conflicts below C(/etc) of that version.
  returned: always
  type: list
  elements: str
signed_by:
  description: Whose signatures of the repository the machine has found good.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baserock.system.plugins.module_utils.versions import OPTIONS, read_state, run_json, summary


def main():
    module = AnsibleModule(
        argument_spec=dict(
            OPTIONS,
            url=dict(type="str"),
            channel=dict(type="str"),
            label=dict(type="str"),
        ),
        supports_check_mode=True,
    )
    before = summary(read_state(module))["versions"]
    command = ["fetch", "--format", "json"]
    if module.params["channel"]:
        command += ["--channel", module.params["channel"]]
    if module.check_mode:
        command.append("--dry-run")
    command += [module.params[name] for name in ("url", "label") if module.params[name]]
    fetched = run_json(module, command)
    result = {name: fetched[name] for name in ("label", "bytes", "conflicts", "signed_by")}
    if module.check_mode:
        after = sorted(set(before) | {fetched["label"]}) if fetched["changed"] else before
    else:
        after = summary(read_state(module))["versions"]
    result.update(changed=before != after, present=fetched["label"] in after)
    module.exit_json(diff=dict(before=dict(versions=before), after=dict(versions=after)), **result)


if __name__ == "__main__":
    main()
