"""A prefect server for all tests that need one: it takes ten seconds to start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context

import pytest


@pytest.fixture(scope="session")
def server_address() -> Iterator[str]:
    """Start a prefect server, without telling prefect of it."""
    from prefect.settings import PREFECT_API_URL

    from survkit.launch.local.prefect_server import prefect_api

    context = copy_context()
    server = prefect_api(threading.Event())
    context.run(server.__enter__)
    yield str(context.run(PREFECT_API_URL.value))
    context.run(server.__exit__, None, None, None)


@pytest.fixture
def server(server_address: str) -> Iterator[None]:
    """Have prefect use the server as it would use a user's own."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server_address}):
        yield


@pytest.fixture
def no_server() -> Iterator[None]:
    """Have prefect look for a server where there is none."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield
