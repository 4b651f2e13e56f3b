# SPDX-License-Identifier: MPL-2.0
"""The subcommands of ``ocrmypdf-superres archive``, one a file."""
