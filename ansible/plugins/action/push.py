# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pushes a version from the controller: runs ssh-rsync.write there, with the machine's parameters as its environment."""

import json
import os
import shutil
import subprocess

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.baserock.system.plugins.module_utils.versions import variables

OPTIONS = dict(
    tree=dict(type="path"),
    label=dict(type="str"),
    location=dict(type="str"),
    parameters=dict(type="dict", default={}),
    reboot=dict(type="bool"),
    trial=dict(type="bool"),
    check=dict(type="str"),
    deadline=dict(type="str"),
    extensions=dict(type="path"),
)

# The exit code of a push whose version has not become the default.
HELD = 3

# The variables of the inventory that count.
KNOWN = ("inventory_hostname", "ansible_host", "ansible_port", "ansible_user", "baserock_location", "baserock_parameters",
         "baserock_tree")

# The part of what ssh-rsync.status prints that people compare before and after.
COMPARED = ("running", "default", "next", "trial", "conflicts", "removable")


def environment(given, options):
    """The variables of the push: those of the machine, then those of the task."""
    every = dict(variables({**given, **options["parameters"]}), UPGRADE="yes")
    for name, value in (("VERSION_LABEL", options["label"]), ("TRIAL_CHECK", options["check"]),
                        ("TRIAL_DEADLINE", options["deadline"])):
        if value:
            every[name] = value
    if options["trial"] is not None:
        every["TRIAL"] = "yes" if options["trial"] else "no"
    # A trial begins with a restart.
    if options["reboot"] is not None or options["trial"]:
        every["AUTOSTART"] = "yes" if options["reboot"] or options["trial"] else "no"
    return every


def location(known):
    """Where a machine is, by the variables of the inventory."""
    host, port = known.get("ansible_host") or known["inventory_hostname"], known.get("ansible_port")
    user = known.get("ansible_user") or "root"
    if not port:
        return f"{user}@{host}"
    return f"ssh://{user}@[{host}]:{port}" if ":" in str(host) else f"ssh://{user}@{host}:{port}"


def expected(before, label, restarts):
    """How the machine would stand after the push."""
    after = dict(before, default=label, next=label)
    return dict(after, running=label) if restarts else after


class ActionModule(ActionBase):
    """The action `baserock.system.push`."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Looks at the machine, pushes, and looks again."""
        result = super().run(tmp, task_vars)
        options = self.validate_argument_spec(OPTIONS)[1]
        place, tree, label, every = self._request(options, task_vars or {})
        restarts, is_tried = (boolean(every.get(name, "no"), strict=False) for name in ("AUTOSTART", "TRIAL"))

        before = self._status(options, place, every)
        is_there = before["default"] == label and (before["running"] == label or not restarts)
        # A dry run refuses another tree under the same label.
        is_dry = is_there or self._task.check_mode
        if is_dry:
            every["DRY_RUN"] = "yes"
        code, out, err = self._program("write", options, [tree, place], every)
        result.update(label=label, location=place, held=code == HELD, before=before, stdout=out, stderr=err)
        if code not in (0, HELD):
            said = last_line(err) or last_line(out)
            return dict(result, failed=True, msg=f"the push of {label} to {place} failed: {said}", rc=code)

        if is_there:
            after = before
        elif is_dry or (restarts and not is_tried and code != HELD):
            # Nothing has happened, or the machine is going down.
            after = expected(before, label, restarts)
        else:
            after = self._status(options, place, every)
        result.update(changed=before != after, after=after, diff=[dict(before=before, after=after)])
        if is_dry and not is_there:
            result["diff"].append(dict(prepared=out))
        return result

    def _request(self, options, task_vars):
        """The machine, the tree, the label, and the variables of the push."""
        known = {name: self._templar.template(task_vars[name]) for name in KNOWN if name in task_vars}
        place = options["location"] or known.get("baserock_location") or location(known)
        tree = options["tree"] or known.get("baserock_tree")
        every = environment(known.get("baserock_parameters") or {}, options)
        label = every.get("VERSION_LABEL")
        for name, value in (("tree", tree), ("label", label)):
            if not value:
                raise AnsibleError(f"the push to {place} has no {name}; give the task a {name}")
        return place, tree, label, every

    def _status(self, options, place, every):
        """How the machine stands."""
        # 3: somebody should look at something.
        _code, out, err = self._program("status", options, [place], every)
        try:
            status = json.loads(out)
        except ValueError:
            raise AnsibleError(f"{place} does not say how it stands: {last_line(err) or last_line(out)}") from None
        status["conflicts"] = {each["label"]: each["paths"] for each in status["conflicts"]}
        return {name: status[name] for name in COMPARED}

    def _program(self, kind, options, arguments, every):
        """Runs a program of the controller. Returns its exit code and what it printed."""
        name = f"ssh-rsync.{kind}"
        path = os.path.join(options["extensions"], name) if options["extensions"] else shutil.which(name)
        if not path:
            raise AnsibleError(f"{name} is not in PATH of the controller; install the package baserock-deploy there, "
                               "or name its folder as extensions")
        try:
            done = subprocess.run([path, *arguments], env={**os.environ, **every}, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            raise AnsibleError(f"cannot run {path} on the controller: {error.strerror}") from error
        return done.returncode, done.stdout, done.stderr


def last_line(text):
    """The last line of a text, as a sentence of ours goes on with it; empty if it has none."""
    last = next(iter(reversed(text.splitlines())), "")
    return last[len("ERROR: "):] if last.startswith("ERROR: ") else last
