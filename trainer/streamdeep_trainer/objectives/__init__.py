"""What training minimises: objectives, each a network with an encoder, what it adds to it, and a loss.

``objective``           what they have in common, and the batch that they are given: start here
``reconstruction``      the crop from its embedding, by the network's decoder
``masked``              hidden values, from those that are not
``prediction``          frames to come
``cluster_prediction``  at hidden frames, the cluster of what is there
``projection``          what the two that compare views of a clip have in common
``contrastive``         views of a clip against those of other clips
``vicreg``              views of a clip, without others
``byol``                one view from the other, without others, by a copy that follows
``squares``             mean squared errors, whole and in shares
``build``               from a recipe to its objective
"""
