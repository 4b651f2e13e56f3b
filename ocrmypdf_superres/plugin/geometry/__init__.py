# SPDX-License-Identifier: MPL-2.0
"""Pages whose text does not run level from left to right."""
