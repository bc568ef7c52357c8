"""Keys to orders. Pure: time is an argument.

A terminal tells that a key went down, and then, while it is held, the same key again and again; it never tells that a
key went up. So a class's key begins, and once more it ends; held, it ends when it is no longer repeated.
"""

from collections.abc import Sequence
from typing import Final

from streamdeep.cli.teach_orders import Order
from streamdeep.heads.settings import UNKNOWN
from streamdeep.teaching.example import LABEL_LETTERS_MOST

CLASS_KEYS: Final = "123456789ABCDEFGHIJKLMOPQRSTUVWXYZ"
UNKNOWN_KEY: Final = "0"
_FIRST_REPEAT_S: Final = 0.75
"""Terminals begin to repeat after a quarter to two thirds of a second."""
_REPEAT_S: Final = 0.3
_ENDS: Final = "\r\n"
_BACK: Final = "\x7f\b"
_ESCAPE: Final = "\x1b"
_PREFIXES: Final = {"n": "not", "l": "last", "r": "relabel"}
_PLAIN: Final = {"u": "undo", "d": "remove", "\t": "stream", "s": "save", "q": "quit"}


class Keys:
    """What was pressed so far, as far as it matters for what comes.

    Args:
        last_s: how much of the past `l` names.

    Attributes:
        prompt: for people: what is waited for, if something is.
    """

    def __init__(self, last_s: float) -> None:
        self._last_s = last_s
        self._prefix = ""
        self._text: str | None = None
        self._going: str | None = None
        self._held = False
        self._pressed_s = 0.0

    @property
    def prompt(self) -> str:
        """What is waited for."""
        if self._text is not None:
            return f"name of the class: {self._text}_  (Enter; Esc for none)"
        return {
            "not": "not: which class? press its key",
            "last": f"the last {self._last_s:g} s: which class? press its key",
            "relabel": "the last naming is: which class? press its key",
        }.get(self._prefix, "")

    def push(self, pressed: str, classes: Sequence[str], *, now_s: float) -> list[Order]:
        """Take what was pressed; to be called often, also with nothing.

        Args:
            pressed: keys, in order.
            classes: the classes that have a key, in the order of their keys.
            now_s: any clock that only goes forward.
        """
        if pressed.startswith(_ESCAPE) and len(pressed) > 1:
            pressed = ""  # an arrow, or another key that is none of ours
        orders = [order for key in pressed for order in self._press(key, classes, now_s)]
        if self._going is not None and self._held and now_s - self._pressed_s > _REPEAT_S:
            orders += self._end()
        return orders

    def _press(self, key: str, classes: Sequence[str], now_s: float) -> list[Order]:
        if self._text is not None:
            return self._type(key)
        if key == _ESCAPE:
            self._prefix = ""
            return []
        label = UNKNOWN if key == UNKNOWN_KEY else None
        if key in CLASS_KEYS and CLASS_KEYS.index(key) < len(classes):
            label = classes[CLASS_KEYS.index(key)]
        if label is not None:
            return self._name(key, label, now_s)
        if key in _PREFIXES:
            self._prefix = _PREFIXES[key]
        elif key == "c":
            self._text = ""
        elif key == "u" and self._going is not None:
            return [*self._end(), Order(do="undo")]  # what goes on was a mistake
        elif key in _PLAIN:
            return [*self._end(), Order.model_validate({"do": _PLAIN[key]})]
        return []

    def _name(self, key: str, label: str, now_s: float) -> list[Order]:
        prefix, self._prefix = self._prefix, ""
        if prefix in ("last", "relabel"):
            return [Order.model_validate({"do": prefix, "label": label, "seconds": self._last_s})]
        going = f"{prefix}{key}"
        if not prefix and self._going is not None and self._going.endswith(key):
            since_s, self._pressed_s = now_s - self._pressed_s, now_s
            if since_s <= _FIRST_REPEAT_S:
                self._held = True
                return []
            return self._end()
        self._going, self._held, self._pressed_s = going, False, now_s
        negative = prefix == "not" and label != UNKNOWN
        return [Order(do="begin", label=label, negative=negative)]

    def _end(self) -> list[Order]:
        going, self._going, self._held = self._going, None, False
        return [] if going is None else [Order(do="end")]

    def _type(self, key: str) -> list[Order]:
        text = self._text or ""
        if key == _ESCAPE:
            self._text = None
        elif key in _ENDS:
            self._text = None
            return [Order(do="class", label=text.strip())] if text.strip() else []
        elif key in _BACK:
            self._text = text[:-1]
        elif key.isprintable() and len(text) < LABEL_LETTERS_MOST:
            self._text = text + key
        return []
