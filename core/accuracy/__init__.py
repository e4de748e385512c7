"""How good a map or a model is: scores, figures and reports."""
