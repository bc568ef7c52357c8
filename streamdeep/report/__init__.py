"""A recording as one page: what was heard, what was lost, where every sample is.

strip      numbers over time in a bounded number of columns
thinned    so many things at most, evenly chosen
listening  a recording or sound file through the pipeline, gathered
page       that as HTML, drawn by ``streamdeep.pages``
overtime   its rows over time
tables     its tables
words      how it says things
"""
