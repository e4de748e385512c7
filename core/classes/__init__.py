"""Classes: their names, colours and numbers, from labels to maps."""
