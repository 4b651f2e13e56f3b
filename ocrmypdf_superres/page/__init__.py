# SPDX-License-Identifier: MPL-2.0
"""What is on a page: its image, its text's height, its lines, and the plan for it."""
