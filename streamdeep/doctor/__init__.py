"""What could be in the way of a first run, looked at one by one; each look gives findings.

finding        what was found, how bad it is, and the command that mends it
installation   Python, libraries, extras, the compiler's cache, descriptors, clocks, ports
sound_cards    PortAudio and what it lists
models         model and head on this machine, and how fast it is
hearing        ten seconds of a source against the model's training; pure
listening      brings these seconds from a source

Nothing here prints.
"""
