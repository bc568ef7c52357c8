"""Where sound comes in.

source       what the engine asks of anything that sound comes from
file         sound files, whole or as a source
writer       sound files that read back bit for bit
pcm          raw samples on standard input
microphone   PortAudio; the only module that knows sounddevice
ring         between a source's thread and the engine's
wake         wakes whoever reads rings
tap          what listens in on a ring
resample     to the model's rate; the only module that knows soxr
"""
