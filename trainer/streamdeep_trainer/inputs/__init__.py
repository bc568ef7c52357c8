"""Files of spectrograms as input, instead of sound: of ``spectrograms``, and auDeep's own.

What such a file holds (``rows``), training on it (``training``) and embedding it (``embedding``). Its values
are the encoder's input as they are: no level is learnt, and no gain is possible.
"""
