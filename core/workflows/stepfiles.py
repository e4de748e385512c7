"""Files that steps leave in the folder of a workflow, beside the folders of its scenes."""

MODEL = "model.keras"
HISTORY = "history.csv"
