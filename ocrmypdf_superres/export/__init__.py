# SPDX-License-Identifier: MPL-2.0
"""Writing trained nets as model folders."""
