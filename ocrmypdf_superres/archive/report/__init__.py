# SPDX-License-Identifier: MPL-2.0
"""The report of a run."""
