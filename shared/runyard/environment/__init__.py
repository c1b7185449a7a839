"""What surrounds a script: its variables and, later, its packages. No I/O."""
