#!/usr/bin/python
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Adds, removes, chooses, tries and confirms versions of a machine's system."""

DOCUMENTATION = r"""
---
module: version
short_description: Add, remove, choose, try or confirm a version of the system
version_added: "0.1.0"
description:
  - A machine keeps every version of its operating system side by side, each complete and bootable. This module sees to it that a version
    is there, is gone, boots next, is on trial, or is confirmed.
  - It never restarts the machine; M(ansible.builtin.reboot) does.
options:
  label:
    description:
      - The label of the version.
    type: str
    required: true
  state:
    description:
      - C(present) sees to it that the version is there and complete. If it is not, it is made of I(source), or else of the tree that
        stands at C(/systems/LABEL/orig) of the volume. The default stays.
      - C(absent) removes the version. The running version, the default, pinned versions, and one on trial are refused.
      - C(default) makes it the version that boots next, and calls a trial of another one off.
      - C(trial) has the boot loader boot it once. The default stays until the trial is confirmed. Nothing is done if it is the
        default already, or on trial.
      - C(confirmed) confirms the version on trial, which has to run, so that it becomes the default.
    type: str
    choices: [present, absent, default, trial, confirmed]
    default: present
  source:
    description:
      - A root filesystem in a folder of the target, or the label of a chroot of C(manage-baserock) there, of which a version that is not
        there is made. It does not count if the version is there.
    type: str
  parameters:
    description:
      - The parameters of a version that is made, such as C(KERNEL_ARGS), C(KEEP_VERSIONS), C(VERSION_NOTE) or C(MERGE_TAKE).
    type: dict
    default: {}
  refuse_conflicts:
    description:
      - Refuse to make a version if the merge of C(/etc) into it leaves conflicts.
    type: bool
    default: false
  by_hand:
    description:
      - Whether a trial waits for the state C(confirmed). Otherwise the version confirms itself when it has come up.
    type: bool
    default: false
  deadline:
    description:
      - How long after the start of its kernel a version on trial has to be confirmed, as seconds, or C(90s), C(10m), C(1h). Otherwise the
        machine comes back to its default.
    type: str
    default: 10m
  force:
    description:
      - Remove the version even if it is C(factory).
    type: bool
    default: false
attributes:
  check_mode:
    description: It makes the dry runs that there are, which refuse what would be refused, and changes nothing.
    support: full
  diff_mode:
    description: It shows versions, default, trial and conflicts before and after, and what a dry run says of C(/etc).
    support: full
extends_documentation_fragment:
  - baserock.system.versions
"""

EXAMPLES = r"""
- name: Make a version of a tree that was unpacked on the machine, and let it boot next
  baserock.system.version:
    label: v2
    source: /srv/trees/v2
    state: default
    parameters:
      KEEP_VERSIONS: 3

- name: Roll back
  baserock.system.version:
    label: factory
    state: default

- name: Boot a version once
  baserock.system.version:
    label: v2
    state: trial
    by_hand: true

- name: Keep it, now that the machine is well
  baserock.system.version:
    label: v2
    state: confirmed

- name: Remove an old version
  baserock.system.version:
    label: v1
    state: absent
"""

RETURN = r"""
before:
  description:
    - How the machine stood. The fields are C(versions) and C(incomplete), which are lists of labels; C(default), C(next), C(running)
      and C(trial), which are labels or null; and C(conflicts), the open conflicts by labels.
  returned: always
  type: dict
after:
  description: How it stands now; in check mode, how it would stand.
  returned: always
  type: dict
  sample:
    versions: [factory, v2]
    incomplete: []
    default: v2
    next: v2
    running: factory
    trial: null
    conflicts: {v2: [ssh/sshd_config]}
commands:
  description: What C(system-version-manager) was told, or would have been.
  returned: always
  type: list
  elements: str
  sample: ["set-default v2"]
etc:
  description: In check mode, what would be done to C(/etc), one line for each path, as far as a dry run can tell.
  returned: in check mode
  type: list
  elements: str
notes:
  description: What the program has said beside that, such as what an upgrade loses.
  returned: always
  type: list
  elements: str
"""

import copy

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baserock.system.plugins.module_utils.versions import (
    OPTIONS, read_state, run, summary, variables, version_of,
)

# Commands that can say what they would do.
WITH_DRY_RUN = ("deploy", "set-default", "remove")


def present(module, state):
    """The commands after which the version is there."""
    label, source = module.params["label"], module.params["source"]
    version = version_of(state, label)
    if version and version["missing"] is None:
        return []
    if source:
        return [["import", label, source]]
    if version:
        refuse = ["--refuse-conflicts"] if module.params["refuse_conflicts"] else []
        return [["deploy", *refuse, f"/systems/{label}/orig"]]
    module.fail_json(msg=f"there is no version {label}; give a source to make it of, or put its tree at "
                         f"/systems/{label}/orig of the volume")


def absent(module, state):
    """The commands after which it is gone."""
    label = module.params["label"]
    if not version_of(state, label):
        return []
    return [["remove", *(["--force"] if module.params["force"] else []), label]]


def default(module, state):
    """The commands after which it boots next."""
    label = module.params["label"]
    if state["default"] != label:
        return present(module, state) + [["set-default", label]]
    return [["abandon"]] if state["trial"] not in (None, label) else []


def trial(module, state):
    """The commands after which it is booted once."""
    label = module.params["label"]
    if label in (state["default"], state["trial"]):
        return []
    by_hand = ["--by-hand"] if module.params["by_hand"] else []
    return present(module, state) + [["try", *by_hand, "--deadline", module.params["deadline"], label]]


def confirmed(module, state):
    """The commands after which it is the default, if it runs on trial."""
    label, running = module.params["label"], state["running"]
    if state["default"] == label:
        return []
    if state["trial"] == label and running == label:
        return [["confirm"]]
    if state["trial"] == label:
        module.fail_json(msg=f"version {label} is on trial, and {running} runs; restart the machine before you confirm it")
    module.fail_json(msg=f"version {label} is not on trial, and {running} runs; begin a trial with the state trial, "
                         "or see what has become of it by system-version-manager status")


STATES = dict(present=present, absent=absent, default=default, trial=trial, confirmed=confirmed)


def expected(before, label, commands):
    """How the machine would stand after the commands."""
    after = copy.deepcopy(before)
    for name in (command[0] for command in commands):
        if name in ("import", "deploy"):
            after["versions"] = sorted(set(after["versions"]) | {label})
            after["incomplete"] = [other for other in after["incomplete"] if other != label]
        elif name == "remove":
            for group in ("versions", "incomplete"):
                after[group] = [other for other in after[group] if other != label]
            after["conflicts"].pop(label, None)
        elif name in ("set-default", "confirm"):
            after.update(default=label, next=label, trial=None)
        elif name == "try":
            after.update(next=label, trial=label)
        elif name == "abandon":
            after.update(next=after["default"], trial=None)
    return after


def environment(module):
    """The variables of a command that makes a version."""
    set_variables = variables(module.params["parameters"])
    if module.params["refuse_conflicts"]:
        set_variables["CONFLICTS"] = "refuse"
    return set_variables


def look(module, commands):
    """Makes the dry runs that there are. Returns what would be done to /etc, and what else is said."""
    etc, notes = [], []
    for command in commands:
        if command[0] not in WITH_DRY_RUN:
            # What follows works on what this would make.
            break
        out, lines = run(module, [command[0], "--dry-run", *command[1:]], environment(module))
        notes += lines
        etc += out.splitlines() if command[0] != "remove" else []
    return etc, notes


def main():
    module = AnsibleModule(
        argument_spec=dict(
            OPTIONS,
            label=dict(type="str", required=True),
            state=dict(type="str", choices=list(STATES), default="present"),
            source=dict(type="str"),
            parameters=dict(type="dict", default={}),
            refuse_conflicts=dict(type="bool", default=False),
            by_hand=dict(type="bool", default=False),
            deadline=dict(type="str", default="10m"),
            force=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    label = module.params["label"]
    state = read_state(module)
    before = summary(state)
    commands = STATES[module.params["state"]](module, state)
    result = dict(changed=bool(commands), before=before, commands=[" ".join(command) for command in commands], notes=[])
    if module.check_mode:
        etc, result["notes"] = look(module, commands)
        result.update(etc=etc, after=expected(before, label, commands))
        conflicts = [line.split()[1] for line in etc if line.startswith("conflict ")]
        if conflicts:
            result["after"]["conflicts"][label] = conflicts
    else:
        for command in commands:
            result["notes"] += run(module, command, environment(module))[1]
        result["after"] = summary(read_state(module)) if commands else before
    result["diff"] = [dict(before=before, after=result["after"], before_header="versions", after_header="versions")]
    if result.get("etc"):
        result["diff"].append(dict(prepared="".join(f"/etc: {line}\n" for line in result["etc"])))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
