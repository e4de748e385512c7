"""The kinds of keys, groups of them that operations share, and the tables that choices are made from."""
