"""What a trained encoder has to beat: ``pooled_logmel`` (no network at all) and ``quoted`` (other systems' figures).

The third baseline, the untrained twin, is an ordinary model file that ``export`` writes.
"""
