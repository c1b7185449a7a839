"""HTTP: one ASGI application, served by both hosts and driven in-process by the SDK."""
