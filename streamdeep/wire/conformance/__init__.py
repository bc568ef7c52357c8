"""A test for clients in any language: every kind of message, odd ones included (``docs/conformance.md``).

case         what a case is
script       writes one case: its messages, and the lines that a correct client prints
cases        what loss, joining and restarts look like, and what later versions may add
refusals     what is no message of this protocol
player       sends the cases over a real socket
judge        compares a client's lines with those expected

The messages are made here by hand, without the records that the publisher packs, and are kept as bytes in
``tests/golden/conformance_v1``. Not here: starting a client, and printing (:mod:`streamdeep.cli.conformance`).
"""
