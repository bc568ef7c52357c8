"""How all streams of a wire are doing: messages in, rows of a table out.

recent  what happened within the last minute
row     one stream as it is shown
board   all streams
"""
