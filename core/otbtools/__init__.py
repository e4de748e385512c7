"""Small applications of the Orfeo ToolBox that scripts written for OTBTF call between its own."""
