"""What lies in a run's folder, by name."""

CHECKPOINT = "checkpoint.npz"
MODEL = "model.onnx"
UNTRAINED = "untrained.onnx"
SPECTROGRAMS = "spectrograms.nc"
REPORT = "report.md"
FIGURES = "report.json"
