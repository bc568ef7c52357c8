"""Tables of features: rows with labels, folds and partitions, and pure functions from tables to tables.

``table`` the record · ``storage`` netCDF files, this project's and auDeep's · ``clips`` tables from embeddings
and spectrograms · ``fuse`` · ``exporting``, ``importing``, ``csvfile`` and ``arff`` feature files · ``checks``
what a good table obeys · ``splits`` folds and partitions · ``upsample`` · ``describe`` · ``projection`` of rows
to points · ``command_options`` and ``feature_commands`` parts of ``table_commands``, which adds
all commands on data to a program.
"""
