"""A bench of systems that turn sound into features or answers, in which test folds choose nothing.

system    what a system is, and what the bench wants of it
kinds     which systems a comparison can name
encoder pooled   this project's encoders; log-Mel frames without a network
spectra cost     spectrograms that are shared; what a model file costs
"""
