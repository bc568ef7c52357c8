"""Where sound comes in.

source       what the engine asks of anything that sound comes from
file         sound files, whole or as a source
writer       sound files that read back bit for bit
pcm          raw samples on standard input
listen       raw samples from a TCP client
microphone   PortAudio; the only module that knows sounddevice
network      whatever FFmpeg reads at an address, connected to again when it breaks off
address      which addresses are taken, and how they are shown
connection   a decoder in a process of its own, from outside; decoding_child is that process
container    files that libsndfile does not read
decoding     FFmpeg; the only module that knows av
decoded      a piece of decoded sound
continuity   what is missing, by time stamps
arrival      when live sound was captured, by when it came
backoff      how long to wait before the next try
ring         between a source's thread and the engine's
wake         wakes whoever reads rings
tap          what listens in on a ring
resample     to the model's rate; the only module that knows soxr
"""
