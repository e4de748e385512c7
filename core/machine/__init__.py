"""The machine: devices, memory, signals, Python interpreters, the engine and its installation."""
