"""Other people's systems, and what a trained encoder has to beat; their mathematics, without who is judged.

pooled_logmel          no network at all
frame_mlp segment_cnn  learn with labels: the baseline of DCASE 2017, Piczak's network
sparse_coding dcgan    learn without: a dictionary, a discriminator
foreign samples        networks that have learnt elsewhere, and the sound for those that want no frames
settings learning      what can be set; what the networks have in common
quoted                 figures that others have measured

The untrained twin of an encoder is an ordinary model file that ``export`` writes. As systems of the bench they stand in
``comparing``.
"""
