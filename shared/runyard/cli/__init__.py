"""The command line: a Typer application over the client SDK. What is heavy is imported inside the commands."""
