"""What an engine heard, kept so that it can be heard again, sample by sample and loss by loss.

events       what happens at a ring's writing end: sound, loss, end
lines        events and their surroundings as lines of JSON: the format
segment      one sound file and its index, being written
folder       a recording being written: segments one after another
keeping      which old segments are deleted
queue        from a source's thread to the recorder's; never waits
recorded     a source that is recorded while it is played
disk         how much room there must be
recorder     the thread that writes recordings; what it does when the disk is full
files        a recording's files, in a folder or in an archive
sound        a segment's sound file, read to where it ends
reader       a recording's events, in order
contents     what a recording holds, by its indexes
archive      a recording as one file
replay       a recording as a source
"""
