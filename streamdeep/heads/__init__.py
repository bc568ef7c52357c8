"""Embeddings to labels.

head       an ONNX file: embedding -> probability, bound to one encoder
writing    write such a file from a linear classifier
novelty    how far an embedding lies from the training data
"""
