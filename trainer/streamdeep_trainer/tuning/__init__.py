"""Choosing hyper-parameters without a look at the clips that one is judged by.

``space`` says what may vary, ``aside`` which clips are put aside, ``bench`` what one recipe is worth, ``study``
which values come next (and owns Optuna), ``tune`` is the loop, ``results`` and ``report`` are what is left.
"""
