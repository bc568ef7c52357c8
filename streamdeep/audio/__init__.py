"""Where sound comes in.

source       what the engine asks of anything that sound comes from
file         sound files, whole or as a source
writer       sound files that read back bit for bit
pcm          raw samples on standard input
microphone   the sound card, watched and opened again: portaudio (the only module that knows sounddevice), abandon
             (calls that hang), devices (their names), watch (what is wrong), watched (one capture), clock (the
             true rate)
listen       raw samples from a TCP client
network      whatever FFmpeg reads at an address, connected to again when it breaks off
address      which addresses are taken, and how they are shown
connection   a decoder in a process of its own, from outside; decoding_child is that process
container    files that libsndfile does not read
decoding     FFmpeg; the only module that knows av
decoded      a piece of decoded sound
continuity   what is missing, by time stamps
arrival      when live sound was captured, by when it came
backoff      how long to wait before the next try
selection    which channels of a source are heard
ring         between a source's thread and the engine's
wake         wakes whoever reads rings
tap          what listens in on a ring
resample     to the model's rate; the only module that knows soxr
"""
