"""One operation over the rows of a table: reading it, running its rows, keeping account of them, and their sum."""
