"""Sound files to spectrograms as auDeep prepares them: cut, levelled, one array for the whole data set.

``options`` says what is wanted, ``compute`` does one clip, ``pool`` spreads clips over processes, ``run``
does a data set, ``store`` is the netCDF file, ``picture`` draws one clip. Not here: what keeps finished clips
(``parts``), and the frames that recipes train on, kept in dB with nothing cut (``spectrograms``).
"""
