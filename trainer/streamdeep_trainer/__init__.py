"""streamdeep_trainer: learn a recurrent autoencoder from unlabelled sound, export its encoder as one ONNX file.

It shares the engine's front-end and pipeline, so that what is trained is what runs.
"""
