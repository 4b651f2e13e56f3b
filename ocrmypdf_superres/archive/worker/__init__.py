# SPDX-License-Identifier: MPL-2.0
"""Processing one file, in a worker process."""
