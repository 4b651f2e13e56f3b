# SPDX-License-Identifier: MPL-2.0
"""Commands about documents and images, one a file."""
