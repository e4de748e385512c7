"""Reading and writing vector layers with OGR."""
