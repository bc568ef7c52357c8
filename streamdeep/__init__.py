"""streamdeep: streaming real-time audio embeddings.

Sound comes in, one embedding per segment goes out over ZeroMQ. Data goes one way:

    source -> ring -> pipeline (resampler -> front-end -> encoder) -> publisher ==wire==> subscriber -> head

Where things are:

    errors records config     what can go wrong, what flows, what is configured
    frontend/                 samples -> log-Mel frames
    onnxfile                  one ONNX file, checked and run
    accounting                where every source sample went
    audio/                    where sound comes in
    encoder/                  frames -> embeddings
    wire/                     embeddings -> other processes
    heads/                    embeddings -> labels
    pipeline                  blocks in, embeddings out: no I/O, no threads
    stream                    one source on its way to the wire
    engine                    threads and lifecycle around streams
    cli/                      the commands a user types

Importing this package opens nothing and imports none of the above.
"""

__version__ = "0.1.0"
