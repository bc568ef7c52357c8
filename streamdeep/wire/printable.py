"""Texts of strangers, made fit to be printed: a label may hold line ends, and commands to a terminal."""


def one_line(text: str) -> str:
    """A text without anything that ends a line, moves a cursor or separates columns; spaces instead."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
