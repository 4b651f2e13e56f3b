# SPDX-License-Identifier: MPL-2.0
"""What the commands have in common: their help, their examples, what they print."""
