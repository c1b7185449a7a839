"""How a file is changed in place: its text with marks, the nodes in it, and the edits that make a new one."""
