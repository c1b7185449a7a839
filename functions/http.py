"""HTTP: one ASGI application."""

from runyard.api.app import create_app
from runyard.services import current

api = create_app(current)
