"""How well embeddings keep their use under ``conditions``.

embedding     every clip under every condition through the engine's pipeline, kept in files
judging       who is taught under which condition, and asked under which
robustness    the loop, from clips and models to an outcome
report picture    what people and programs read of it
"""
