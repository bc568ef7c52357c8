"""Everything at once, for minutes, with a fault in every part; and where every sample and message is at the end.

    python -m bench.endurance --minutes 10

sounds     a microphone on a private PulseAudio, a web radio, a sender, files
radio      the web radio, a process of its own
programs   processes that say JSON lines
witness    a subscriber at the engine that loses nothing
listener   a subscriber behind the hub, a process of its own
listeners  that one, Node and C: their lives and what they received
broker     mosquitto behind the bridge, and who hears it
faults     what is done to each, and when
show       the run
accounts   what was said at every point, and whether it adds up
replays    every recording again, compared bit by bit
resources  memory, descriptors and threads of the engine
report     the table

Needs Debian's pulseaudio, pulseaudio-utils, libasound2-plugins, libportaudio2, mosquitto, nodejs, npm, gcc, make, pkg-config,
libzmq3-dev and libmsgpack-c-dev.
"""
