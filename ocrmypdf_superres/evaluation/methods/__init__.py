# SPDX-License-Identifier: MPL-2.0
"""The methods that are compared, and how each is run."""
