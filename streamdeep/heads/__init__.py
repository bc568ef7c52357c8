"""Embeddings to labels.

head         an ONNX file: embedding -> probability, bound to one encoder
writing      write such a file from a linear classifier
calibration  probabilities that mean what they say, learnt beside the head and folded into it
scores       what a head says of one segment, and where that lies
smoothing    the mean over time
settings     thresholds and durations
decision     sounds that begin and end
novelty      how far an embedding lies from the training data
"""
