"""From the name of an operation to its run: values read, inputs watched, the body called."""
