# SPDX-License-Identifier: MIT OR Apache-2.0
"""The options of all modules that run system-version-manager."""


class ModuleDocFragment:
    """The fragment `baserock.system.versions`."""

    DOCUMENTATION = r"""
options:
  volume:
    description:
      - Work on this device, image or mounted volume, not on the running system.
    type: path
  executable:
    description:
      - The program C(system-version-manager), by its name or its path.
    type: path
    default: system-version-manager
author:
  - The Baserock developers (@baserock)
"""
