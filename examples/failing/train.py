"""Fails on purpose, to show what a failed run looks like."""

print("loading the data ...")
raise FileNotFoundError("features.npy: the notebook that made it misspelt the name")
