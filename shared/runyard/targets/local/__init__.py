"""The kind ``local``: scripts on this very machine, under a supervisor that outlives the host."""
