"""Teaching: what was heard gets a name, a head is learnt from a few examples, and saved so that it can be continued.

example      one named segment: embedding, meaning (a class, ``unknown``, or *not* a class), place
examples     all of one head, of one encoder: named in takes, corrected, removed, undone
memory       the last minutes of every stream, bounded
teacher      messages and names in, examples out: begin and end, the last seconds, a stretch of samples
stretch      which segments belong to a stretch of samples
classifiers  nearest class mean and logistic regression, as linear maps
judging      how good they are, by leaving takes out
learner      examples in, the better classifier out, calibrated
headfile     a head that carries its examples: saved, loaded
clips        embedded sound files as examples: folders of classes, files with labels
labels       label files, read: Audacity, CSV, JSON lines
similar      the nearest of many embeddings

Nothing in here opens a socket, reads a clock or prints. To teach from messages, in one thread::

    teacher = Teacher()                                   # or Teacher(load_taught(path)[1]) to go on
    teacher.push(message, now_ns=time.monotonic_ns())     # every ModelMessage, EmbeddingMessage, EventMessage
    take = teacher.name_last("desk.mic", Meaning("kettle"), 3.0, now_ns=time.monotonic_ns())
    take = teacher.begin("desk.mic", Meaning("dog"), now_ns=...)         # a button goes down
    teacher.end("desk.mic", now_ns=...)                                  # and up
    teacher.begin("desk.mic", Meaning(UNKNOWN), now_ns=...)              # background: none of the classes
    teacher.begin("desk.mic", Meaning("dog", negative=True), now_ns=...) # whatever that is, no dog
    teacher.examples.relabel(take, Meaning("cat")); teacher.examples.remove(take); teacher.examples.undo()
    learnt = learn(teacher.examples)                      # ConfigurationError while there are fewer than two classes
    learnt.scores                                         # by meaning: right of judged, takes, segments
    save_head(Path("my-head.onnx"), learnt, teacher.examples)

A segment comes up to half its length after the sound it stands for: a take goes on growing after its end
(``teacher.waiting()``), and ``push`` returns how many segments became examples. Mistakes are a
``streamdeep.errors.StreamdeepError`` with one line for people.
"""
