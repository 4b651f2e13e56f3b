# SPDX-License-Identifier: MPL-2.0
"""Pages with known text, and their degradations."""
