#!/usr/bin/python
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The documentation of the action plugin `push`, which runs on the controller."""

DOCUMENTATION = r"""
---
module: push
short_description: Push a version of the system to a machine, over ssh
version_added: "0.1.0"
description:
  - Has C(ssh-rsync.write) on the controller push a tree to the machine as a version, sending what the machine lacks. The machine needs sshd
    and a shell; neither Python nor programs of this project.
  - ssh is configured by the files of the controller's user, not by Ansible. Of Ansible's variables only C(ansible_host), C(ansible_port)
    and C(ansible_user) count.
  - The version becomes the default. With I(trial) that happens only after it has come up and I(check) has succeeded.
  - If the version is the default already, and runs if it should, nothing is pushed. Another tree under its label is an error.
options:
  tree:
    description:
      - The root filesystem, a folder of the controller. The default is the variable C(baserock_tree) of the machine.
    type: path
  label:
    description:
      - The label of the new version. The default is C(VERSION_LABEL) of the parameters.
    type: str
  location:
    description:
      - The machine, as C(root@HOST) or C(ssh://root@HOST:PORT). The default is the variable C(baserock_location) of the machine, which the
        inventory plugin M(baserock.system.cluster) sets, or else what C(ansible_host), C(ansible_port) and C(ansible_user) say.
    type: str
  parameters:
    description:
      - More parameters of the push, such as C(KERNEL_ARGS), C(KEEP_VERSIONS), C(CONFLICTS) or C(BASE_ROOT). They count before those in the
        variable C(baserock_parameters) of the machine.
    type: dict
    default: {}
  reboot:
    description:
      - Restart the machine into the version at the end. Without I(trial), nothing waits for it. The default is C(AUTOSTART) of the
        parameters.
    type: bool
  trial:
    description:
      - Restart the machine into the version on trial, and wait until it is confirmed. If it is not, the machine comes back to its old
        version, and this fails. The default is C(TRIAL) of the parameters.
    type: bool
  check:
    description:
      - A command for sh that the machine has to run with success before the trial is confirmed.
    type: str
  deadline:
    description:
      - How long after the start of its kernel a version on trial has to be confirmed, as seconds, or C(90s), C(10m), C(1h).
    type: str
  extensions:
    description:
      - The folder on the controller with C(ssh-rsync.write) and C(ssh-rsync.status). Without it they are looked for in C(PATH).
    type: path
attributes:
  check_mode:
    description: It makes a dry run of the push, which leaves on the machine only the program that receives pushes.
    support: full
  diff_mode:
    description: It shows what the machine runs and boots before and after, and what a dry run says of C(/etc).
    support: full
author:
  - The Baserock developers (@baserock)
"""

EXAMPLES = r"""
- name: Push a version that boots next
  baserock.system.push:
    tree: /srv/trees/server
    label: v2

- name: Push a version, and keep it if the machine is well
  baserock.system.push:
    tree: /srv/trees/server
    label: v2
    trial: true
    check: systemctl is-active nginx
    deadline: 5m
    parameters:
      KEEP_VERSIONS: 3
"""

RETURN = r"""
label:
  description: The label of the version.
  returned: always
  type: str
  sample: v2
location:
  description: Where it was pushed to.
  returned: always
  type: str
  sample: root@web1.example.org
held:
  description: Whether the version is there and did not become the default, because of C(CONFLICTS=default-stays).
  returned: always
  type: bool
before:
  description:
    - How the machine stood. The fields are C(running), C(default), C(next) and C(trial), which are labels or null; C(conflicts), the open
      conflicts of the versions that run and boot next, by labels; and C(removable), a list of labels.
  returned: always
  type: dict
after:
  description: What it runs and boots now, if it can be asked; in check mode and after a restart, what is expected.
  returned: always
  type: dict
stdout:
  description: What the push has said. After a dry run, that is a line for each path of C(/etc), and what would be sent.
  returned: always
  type: str
stderr:
  description: Findings, such as what the upgrade loses.
  returned: always
  type: str
"""
