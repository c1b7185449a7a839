"""Events that ask for a run: their forms, their signatures and what they may say. No I/O."""
