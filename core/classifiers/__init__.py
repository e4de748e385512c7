"""Classic classifiers on pixels and on deep features, by scikit-learn."""
