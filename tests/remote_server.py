"""An S3 server on this machine, with the bucket ``bucket``, for tests of results behind URLs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from boto3 import client
from moto.server import ThreadedMotoServer


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The server, and the environment in which ``s3://`` means it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or every request is told of
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        **{name.lower(): value for name, value in keys.items()},
    ).create_bucket(Bucket="bucket")
    try:
        yield {**keys, "AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1"}
    finally:
        server.stop()
