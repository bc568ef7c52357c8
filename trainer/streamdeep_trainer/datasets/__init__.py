"""Where clips lie: one function per layout, each giving a list of :class:`~streamdeep_trainer.datasets.clip.Clip`.

``clip`` the record · ``files`` which files are sound · ``folders`` layouts that say everything by folders ·
``listed`` layouts with a table beside the sound · ``compare`` the ComParE challenges · ``readers`` a user's
own layout · ``layouts`` the table of all of them, and ``find_clips`` · ``folds`` official and made folds ·
``survey`` what a folder holds and what is wrong with it.
"""
