"""What every adapter of a port promises, as one suite per port."""
