# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs system-version-manager on the target, and reads what it prints."""

import json

PROGRAM = "system-version-manager"

# The number in the field `format` of all printed objects; a higher one has another meaning.
FORMAT = 1

OPTIONS = dict(
    volume=dict(type="path"),
    executable=dict(type="path", default=PROGRAM),
)


def run(module, arguments, environment=None, codes=(0,)):
    """Runs a command on the volume. Returns its standard output and the lines of its standard error."""
    command = [module.get_bin_path(module.params["executable"], required=True), "--quiet", "--wait"]
    if module.params["volume"]:
        command += ["--volume", module.params["volume"]]
    code, out, err = module.run_command(command + arguments, environ_update=environment)
    lines = err.splitlines()
    if code not in codes:
        said = lines[-1] if lines else "it says nothing"
        module.fail_json(msg=f"{' '.join(arguments)}: {said}", rc=code, stdout=out, stderr=err)
    for line in lines:
        if line.startswith("warning: "):
            module.warn(line[len("warning: "):])
    return out, lines


def run_json(module, arguments, codes=(0,)):
    """Runs a command that prints JSON. Returns what it printed."""
    text, _lines = run(module, arguments, codes=codes)
    try:
        printed = json.loads(text)
    except ValueError as error:
        module.fail_json(msg=f"{' '.join(arguments)} has not printed JSON ({error}); install the version of {PROGRAM} "
                             "that belongs to this collection", stdout=text)
    for each in printed if isinstance(printed, list) else [printed]:
        if each.get("format", FORMAT) > FORMAT:
            module.fail_json(msg=f"{' '.join(arguments)} has printed format {each['format']}, and this collection reads "
                                 f"{FORMAT}; install a newer one")
    return printed


def read_state(module):
    """How the machine stands: what `status` prints, the `versions` that `list` prints, and the `conflicts` of all of them."""
    # 3: somebody should look at something.
    state = run_json(module, ["status", "--json"], codes=(0, 3))
    state["versions"] = run_json(module, ["list", "--json"])
    state["conflicts"] = {version["label"]: version["conflicts"] for version in state["versions"] if version["conflicts"]}
    return state


def variables(parameters):
    """Parameters as environment variables: a boolean of YAML is `yes` or `no`."""
    def text(value):
        return ("yes" if value else "no") if isinstance(value, bool) else str(value)

    return {name: text(value) for name, value in parameters.items()}


def version_of(state, label):
    """What is known of a version; None if there is none of this label."""
    return next((version for version in state["versions"] if version["label"] == label), None)


def summary(state):
    """The part of a state that people compare before and after a change."""
    compared = {key: state[key] for key in ("default", "next", "running", "trial", "conflicts")}
    compared["versions"] = [version["label"] for version in state["versions"] if version["missing"] is None]
    compared["incomplete"] = [version["label"] for version in state["versions"] if version["missing"] is not None]
    return compared
