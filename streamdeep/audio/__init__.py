"""Where sound comes in.

source       what the engine asks of anything that sound comes from
file         sound files, whole or as a source
pcm          raw samples on standard input
microphone   the sound card, watched and opened again: portaudio (the only module that knows sounddevice), abandon
             (calls that hang), devices (their names), watch (what is wrong), watched (one capture), clock (the
             true rate), backoff
selection    which channels of it are heard
ring         between a source's thread and the engine's
resample     to the model's rate; the only module that knows soxr
"""
