"""model.source becomes a typed source, or an error that says what to write."""

from pathlib import PurePosixPath

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.sources import (
    DemoSource,
    HttpSource,
    HubSource,
    NoSource,
    PathSource,
    Source,
    parse_source,
)

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("file:///models/a%20b.gguf", PathSource(PurePosixPath("/models/a b.gguf"))),
        ("pvc://claim", PathSource(PurePosixPath("/mnt/slipway/pvc/claim"))),
        ("pvc://claim/some/model", PathSource(PurePosixPath("/mnt/slipway/pvc/claim/some/model"))),
        ("https://h/m.gguf?a=1", HttpSource("https://h/m.gguf?a=1", None)),
        (f"http://h/m.gguf#sha256={SHA.upper()}", HttpSource("http://h/m.gguf", SHA)),
        ("hf://org/repo", HubSource("org/repo", "main", None)),
        ("hf://org/repo@v1.0", HubSource("org/repo", "v1.0", None)),
        ("hf://org/repo@v1/sub/q4.gguf", HubSource("org/repo", "v1", "sub/q4.gguf")),
        ("hf://org/repo/*q4*.gguf", HubSource("org/repo", "main", "*q4*.gguf")),
        ("demo://chat", DemoSource("chat")),
        ("demo://dummy", NoSource()),
    ],
)
def test_each_scheme_is_understood(uri: str, source: Source) -> None:
    assert parse_source(uri) == source


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("model", "write for example hf://"),
        ("ftp://h/m", "ftp:// is unknown"),
        ("file://models/name", "three slashes"),
        ("pvc://claim/../other", r"must not contain '\.\.'"),
        ("https://host", "must name a host and a file"),
        ("https://host/folder/", "must name a host and a file"),
        ("https://host:port/m.gguf", "it is not a URL"),
        ("https://[::1/m.gguf", "it is not a URL"),
        ("https://host/m%00.gguf", "must name a host and a file"),
        ("https://h/m.gguf#md5=1", "64 hexadecimal digits"),
        ("hf://repo", "hf://org/repo"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(uri: str, advice: str) -> None:
    with pytest.raises(RuntimeFailure, match=advice) as raised:
        parse_source(uri)
    assert raised.value.reason is Reason.INVALID_CONFIGURATION
    assert uri in raised.value.message


@pytest.mark.parametrize("uri", ["s3://bucket/key", "gs://bucket/key", "oci://registry/image"])
def test_schemes_of_later_versions_are_not_implemented(uri: str) -> None:
    with pytest.raises(RuntimeFailure, match="not supported by this runtime yet") as raised:
        parse_source(uri)
    assert raised.value.reason is Reason.NOT_IMPLEMENTED


def test_secrets_in_a_url_are_not_shown() -> None:
    source = parse_source("https://user:password@host/m.gguf?signature=secret")
    assert isinstance(source, HttpSource)
    assert source.display_url == "https://host/m.gguf"
