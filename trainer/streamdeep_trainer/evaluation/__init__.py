"""How good embeddings are: from labelled rows to a table of scores.

subjects       what is judged: a run beside its untrained twin, or a table
examples       rows, labels, folds and partitions out of a table
judging        which rows learn and which are asked
methods        from names and settings to a classifier
classify mlp neighbours   linear classifiers; the multi-layer perceptron; k nearest neighbours
reduction      the linear machine on fewer features
balance        upsampling of what learns
decisions      one answer per file
scoring        accuracy, recall, F1, intervals
report confusion   tables and pictures of them
evaluate       cross-validation, from rows to scores
inductive      the same, with an encoder that never heard the test fold
predict        labels for files that have none
"""
