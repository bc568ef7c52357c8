"""How well embeddings keep their use when the sound is not as it was in the data set.

sound         one clip's samples, and how loud its sounding part is
changes       louder, of another rate, noisy, reverberant, longer or shorter: pure functions
codecs        through a lossy codec and back
conditions    the changes by their names, and what is drawn for each
embedding     every clip under every condition through the engine's pipeline, kept in files
judging       who is taught under which condition, and asked under which
robustness    the loop, from clips and models to an outcome
report picture    what people and programs read of it
"""
