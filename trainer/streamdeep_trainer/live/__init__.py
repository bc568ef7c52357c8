"""How good decisions are on a long live signal: clips that no head was taught, one after another, streamed.

signal     clips as one signal, in odd blocks, and what is to be heard in it
events     sounds told against sounds that were there: event-based and segment-based F1, delay, false events
hearing    embeddings to sounds, as ``streamdeep classify`` decides
settings   which settings are compared, and which the training folds choose
scoring    how one way did on one signal
folds      a head per fold, its held-out fold streamed, all settings scored
report     tables and a picture
"""
