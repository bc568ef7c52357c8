"""What is drawn for people: HTML pages that load nothing, pictures in them, and maps. Pure but for writing a file.

document   a whole page: style for light, dark, phone and paper; tables, facts
charts     bars, and lines over a number
timeline   rows over one axis of time: pictures, bars, lines, and what was lost
scatter    points of classes: as a page or as PNG
plane      embeddings as points
colours    of classes, and of numbers
png        an array of colours as PNG

Not here: what is shown (``bench``, ``report``, ``embed``, the trainer).
"""
