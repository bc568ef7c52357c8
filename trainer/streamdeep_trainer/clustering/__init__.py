"""Learning without gradients: dictionaries of patches of frames, by k-means.

``patches``   what is learnt from: patches drawn from crops of the clips
``kmeans``    whitening, and a pass of spherical k-means
``labels``    clusters for a network to tell, learnt before it is trained
``learning``  a run, from its untrained dictionaries to its last pass: start here
"""
