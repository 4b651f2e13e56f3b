# SPDX-License-Identifier: MPL-2.0
"""Commands for networks by themselves: compared, shrunk, imported, reproduced, and actions for tuned networks."""
