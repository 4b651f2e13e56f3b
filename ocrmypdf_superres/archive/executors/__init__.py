# SPDX-License-Identifier: MPL-2.0
"""Executors of a run's tasks: local processes, Dask, and one GPU that all of them share."""
