"""What is done to sound before it is embedded, so that it is not as it was in the data set.

sound       one clip's samples, and how loud its sounding part is
changes     louder, of another rate, noisy, reverberant, longer or shorter: pure functions
codecs      through a lossy codec and back
condition   the changes by their names, and what is drawn for each
"""
