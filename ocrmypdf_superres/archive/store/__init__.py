# SPDX-License-Identifier: MPL-2.0
"""What a run remembers, and where its files are."""
