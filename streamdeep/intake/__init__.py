"""How sound comes in: what a user names, and what senders ship.

opening      what a user types -> a source
zeromq       sound that senders ship over ZeroMQ, on its way into an engine
reception    who may send
remote       one such stream, as a source
sending      ships a source to an engine
outgoing     its sound, cut into messages and kept until an engine has taken it
"""
