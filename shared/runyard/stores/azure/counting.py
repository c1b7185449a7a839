"""Counts the requests that the SDKs send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

if TYPE_CHECKING:
    from runyard.stores.azure.clients import Sent


class Counting(SansIOHTTPPolicy[Any, Any]):
    """Tells of each request as it goes out."""

    def __init__(self, service: str, sent: Sent) -> None:
        super().__init__()
        self._service = service
        self._tell = sent

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Before it is sent."""
        self._tell(self._service, str(request.http_request.method), urlsplit(str(request.http_request.url)).path)
