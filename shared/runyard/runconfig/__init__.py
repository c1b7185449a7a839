"""Run configurations: the Azure ML v1 file format, which of a snapshot's files counts, and what it asks for. No I/O."""
