"""How all streams of a wire are doing: messages in, rows of a table out."""
