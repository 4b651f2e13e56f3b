# SPDX-License-Identifier: MPL-2.0
"""The benchmark of the measured height of text, and of the plan that follows from it."""
