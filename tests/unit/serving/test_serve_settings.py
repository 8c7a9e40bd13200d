"""Settings of the server: from the environment, overruled by flags."""

from __future__ import annotations

import pytest

from opssight_operator.serving.settings import ServeSettings


def test_a_flag_overrules_the_environment_and_the_environment_the_default() -> None:
    environment = {"OPSSIGHT_SERVE_MAX_POINTS": "10", "OPSSIGHT_SERVE_MAX_SERIES": "3"}
    settings = ServeSettings.from_environment(environment, max_points=20, max_series=None)
    assert (settings.max_points, settings.max_series, settings.port) == (20, 3, 8090)


BAD: dict[str, dict[str, str]] = {
    "OPSSIGHT_SERVE_MAX_POINTS is 'many'; it must be a number": {"MAX_POINTS": "many"},
    "OPSSIGHT_SERVE_PORT is '-1'; it must be 0 or more": {"PORT": "-1"},
    "port is 65536; it must be 0 to 65535": {"PORT": "65536"},
    "max_concurrent is 0; it must be more than 0": {"MAX_CONCURRENT": "0"},
    "worker_memory_bytes is 1000; it must be 0, or 512 MiB or more": {"WORKER_MEMORY_BYTES": "1000"},
    "tls_certificate and tls_key belong together; give both or none": {"TLS_KEY": "key.pem"},
    "log_format is 'xml'; it must be json or text": {"LOG_FORMAT": "xml"},
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_setting_that_cannot_be_is_named(sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        ServeSettings.from_environment({f"OPSSIGHT_SERVE_{name}": value for name, value in BAD[sentence].items()})
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_who_can_reach_the_server(host: str, local: bool) -> None:
    assert ServeSettings(host=host).is_local is local
