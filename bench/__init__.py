"""Figures for sceptics: each is a ratio to a peer, or to a limit, that was measured in the same run.

    python -m bench [--quick] [--only frontend,segment]

``suite``      which parts there are, and each in a process of its own
``measure``    rounds, shuffled order, pauses, medians and quartiles
``record``     what a part gives: values, tables, pictures
``goals``      what was promised, and whether a run keeps it
``report``     ``RESULTS.md`` and ``results.json`` out of what the parts gave
``pictures``   the PNGs
``part``       one part by itself
``networks``   the network that all parts run; ``twin`` is the same in torch

The other modules are the parts. Importing this package pins every library to one thread, so nothing of numpy or torch
may be imported before it.
"""

import os

for _variable in (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
):
    os.environ[_variable] = "1"
