"""Land cover maps from an image and labels: samples, their division, training and serving in one run."""
