"""Networks. ``autoencoder``: the recurrent sequence-to-sequence autoencoder whose encoder is exported.

A network knows nothing of training, files or configuration.
"""
