# SPDX-License-Identifier: MPL-2.0
"""How far a reading can be trusted."""
