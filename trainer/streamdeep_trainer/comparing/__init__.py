"""A bench of systems that turn sound into features or answers, in which test folds choose nothing.

system    what a system is, and what the bench wants of it
kinds     which systems a comparison can name
encoder pooled   this project's encoders; log-Mel frames without a network
deciding learnt given   systems of others: that decide themselves, learn features, have learnt elsewhere
fused material   several systems side by side; the frames and segments that systems of others are given
spectra cost     spectrograms that are shared; what a model file costs
spec rows cells  what is asked for; the table's rows; a row with a seed, and the files that it leaves
answers          a cell's work: features, classifiers, inner folds
choice           always taking what inner folds like best
paired standings     intervals and tests; the lines of the table
compare          the loop, from a file to a folder of results
report pictures  what people and programs read of it
"""
