# SPDX-License-Identifier: MPL-2.0
"""How well the height of text is measured, and what the plan makes of it."""
