"""Files: inputs that are only read, outputs that are whole or not there at all."""
