"""Networks. Each has an ``encoder`` to export; those with a decoder are ``frames, lengths -> reconstruction, target``.

``autoencoder``      t-rae: over time; the default, whose decoder cannot see its target
``audeep_exact``     t-rae as auDeep has it, weights, faults and all; ``audeep_weights`` reads its variables
``frequency``        f-rae: over the frequency windows of each frame
``frequency_time``   ft-rae: over frequency, then over time
``dictionary``       learnt patches of frames, without gradients and without a decoder
``encoder_alone``    any of the others without its decoder

Their parts: ``rows`` (padded batches), ``windows`` (of bands), ``patches`` (of frames), ``stem``, ``cells``, ``stack`` (layers, in one
direction or two), ``frequency_encoder``, ``encoder``, ``decoder``. ``networks`` builds a network from its shape; ``arrays`` hands
its encoder to the exported graph. A network knows nothing of training, files or configuration.
"""
