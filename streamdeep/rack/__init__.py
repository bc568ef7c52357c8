"""Many streams of one model side by side, each in a slot, advanced together.

``shelf`` knows which frames of which rings are complete, with no Python per stream; ``slot`` is what a stream
needs now and then: resampling, epochs, its end; ``rack`` puts both together with the encoder. Results of a stream
are, bit for bit, those of a :class:`streamdeep.pipeline.Pipeline` of its own.
"""
