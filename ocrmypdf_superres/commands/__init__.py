# SPDX-License-Identifier: MPL-2.0
"""The subcommands of ``ocrmypdf-superres``, one a file: ``add_arguments(parser)`` and ``run(args)``."""
