"""The engine itself: what it is made of, its installation, and TensorBoard."""
