"""The TFRecord format: frames, checksums and samples, without TensorFlow."""
