"""How a source is found by what a user calls it.

opening      what a user types -> a source
"""
