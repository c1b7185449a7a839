"""Coverage-guided fuzzing of what reads strangers' files: ``python -m tests.fuzz --seconds 60``."""
