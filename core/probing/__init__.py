"""What a model shows when it is called: sizes, geometry, receptive field; and its description."""
