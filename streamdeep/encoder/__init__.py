"""Frames to embeddings.

contract    what a model file says about itself
golden      the signal every model file proves itself with
model       a model file, loaded and proven on this machine
lanes       which segments are open, and in which row of the batch
encoder     the streaming stages: lanes carried frame by frame, or whole segments
"""
