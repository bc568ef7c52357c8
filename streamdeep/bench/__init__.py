"""What a machine can do with a model: measured with the running engine, paced as live sound is.

    cores          which core the engine gets, and which the others
    load listen    two processes: the engine under a number of streams; a subscriber that notes the time
    child          both ends of the pipe to such a process
    trial          both processes once: what a number of streams cost
    plan search    what to measure; which numbers of streams to try
    measure        all trials in their order
    machine report on what was measured; all that was found
    page           that as one HTML file, drawn by ``streamdeep.pages``

Not here: comparisons with other software, which need that software (``bench/`` of the repository).
"""
