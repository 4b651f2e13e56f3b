# SPDX-License-Identifier: MPL-2.0
"""Commands for tuned networks."""
