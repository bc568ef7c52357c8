"""streamdeep: streaming real-time audio embeddings.

Sound comes in, one embedding per segment goes out over ZeroMQ. Data goes one way:

    source -> ring -> rack (resamplers -> front-end -> encoder, for all streams at once) -> publisher ==wire==> subscriber -> head

A file is embedded through a pipeline instead, which does the same for one stream, bit for bit.

Where things are:

    errors records config     what can go wrong, what flows, what is configured
    frontend/                 samples -> log-Mel frames
    onnxfile onnxgraph onnxscan providers   one ONNX file, checked and run
    accounting                where every source sample went
    audio/                    where sound comes in
    encoder/                  frames -> embeddings
    wire/                     embeddings -> other processes
    heads/                    embeddings -> labels, sounds that begin and end
    recording/                what an engine heard, kept and played again
    intake/                   what a user types -> a source; sound that comes over ZeroMQ
    bridges/                  the wire -> MQTT, browsers, Prometheus
    timeline                  one stream's epochs, gaps and accounts
    pipeline                  blocks in, embeddings out: no I/O, no threads
    rack/                     many streams side by side: one batch for all
    stream                    one source on its way to the wire
    engine                    threads and lifecycle around streams
    labelling/                a head on a wire's streams: labels out, files of them
    watching/                 how all streams of a wire are doing
    tables                    embeddings received -> pandas, Arrow
    pages/                    what is drawn for people: HTML pages, pictures in them, maps
    report/                   a recording as one page
    bench/                    what this machine can do with a model
    cli/                      the commands a user types

Importing this package opens nothing and imports none of the above.
"""

__version__ = "0.1.0"
