"""What lies in a run's folder, by name."""

CHECKPOINT = "checkpoint.npz"
RECIPE = "recipe.json"
MODEL = "model.onnx"
UNTRAINED = "untrained.onnx"
SPECTROGRAMS = "spectrograms.nc"
REPORT = "report.md"
FIGURES = "report.json"
