"""The boto3 client, and how far a request of the calling thread has got.

boto3 retries by itself, which would send a mail up to five times when an answer is lost: every request is
made once (`total_max_attempts`). And it does not tell whether a request that failed had left us. Here the
connections say so, because that decides between deferred and uncertain.
"""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.config import Config as BotoConfig

from courierx_ses.config import AwsConfig, SesConfig

_here = threading.local()


def begin() -> None:
    """Say that this thread starts a new request."""
    _here.begun = False


def begun() -> bool:
    """Tell whether a byte of this thread's request may have left: connecting and TLS come before."""
    return bool(_here.begun)


class _Plain(AWSHTTPConnection):  # type: ignore[misc]
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        _here.begun = True
        super().request(*args, **kwargs)


class _Encrypted(AWSHTTPSConnection):  # type: ignore[misc]
    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        _here.begun = True
        super().request(*args, **kwargs)


class _PlainPool(AWSHTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Plain


class _EncryptedPool(AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Encrypted


def ses_client(config: SesConfig) -> Any:
    """Make the one client of a transport; any number of threads may use it, over connections it keeps."""
    settings = BotoConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=config.max_concurrency + 1,  # one for GetAccount
        connect_timeout=config.connect_seconds,
        read_timeout=config.answer_seconds,
        tcp_keepalive=True,
        user_agent_extra="courierx",
    )
    client = aws_client("sesv2", config, settings, endpoint_url=config.endpoint_url)
    # There is no public way to choose the connections' class; without it nothing says what has left us.
    classes = client._endpoint.http_session._pool_classes_by_scheme
    classes.update(http=_PlainPool, https=_EncryptedPool)
    return client


def aws_client(service: str, config: AwsConfig, settings: BotoConfig, *, endpoint_url: str = "") -> Any:
    """Make a client of any service with the account's keys, or with what boto3 finds where there are none."""
    return boto3.session.Session(
        aws_access_key_id=config.access_key_id or None,
        aws_secret_access_key=config.secret_access_key.reveal() or None,
        aws_session_token=config.session_token.reveal() or None,
        region_name=config.region,
    ).client(service, endpoint_url=endpoint_url or None, config=settings)
