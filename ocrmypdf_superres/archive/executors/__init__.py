# SPDX-License-Identifier: MPL-2.0
"""What carries out a run's tasks: processes, Dask, and one GPU for all."""
