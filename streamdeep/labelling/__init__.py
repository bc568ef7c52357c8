"""What a classifier does with a wire's embeddings: sounds that begin and end, and files of them.

labeller   messages in, labels out: one head, any number of streams
formats    a sound as a line: Audacity, CSV, JSON
linefile   a file that grows by whole lines
labelfile  sounds into files, by the files' names
"""
