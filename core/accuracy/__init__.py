"""How good a map or a model is: scores, comparison of maps, figures and reports."""
