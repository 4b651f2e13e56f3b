# SPDX-License-Identifier: MPL-2.0
"""What is read on one page beside its first reading: doubtful lines again, what further engines say, and all of it merged."""
