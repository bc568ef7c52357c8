"""Samples to log-Mel frames, the one implementation that trainer and engine share.

damage      samples that are no sound: replaced and remembered
channels    which channels a view is made of
mel         frequency scales and filter banks
kernels     the compiled loops; the only module that knows numba
normalise   level treatment: power to the encoder's input
logmel      the streaming stage that ties them together
"""
