"""Computing an output in parts, by several runs or on a cluster, and putting the parts together."""
