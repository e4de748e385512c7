"""Small applications of the Orfeo ToolBox: band arithmetic, subsets, stacks, grids, no-data."""
