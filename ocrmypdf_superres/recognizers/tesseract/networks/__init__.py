# SPDX-License-Identifier: MPL-2.0
"""Tuned networks: packed from a tuned language file, and joined with an installed one; neither needs torch."""
