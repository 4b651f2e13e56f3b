# SPDX-License-Identifier: MPL-2.0
"""Digitising many files: runs that can be killed at any moment, continued, verified and shown."""
