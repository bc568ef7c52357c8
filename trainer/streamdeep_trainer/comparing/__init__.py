"""A bench of systems that turn sound into features or answers, in which test folds choose nothing.

system    what a system is, and what the bench wants of it
"""
