"""Where clips lie: one function per layout, each giving a list of :class:`~streamdeep_trainer.datasets.clip.Clip`.

``clip`` the record · ``layouts`` ESC's old layout, class folders, unlabelled folders, and ``find_clips``,
which tells them apart · ``folds`` stratified folds for data that comes without.
"""
