"""``compose.yaml`` and the Dockerfile: what one says of the other, and of the service, is so."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from service_support import Server

from heatmap_locator.service.settings import Layout, Settings
from heatmap_locator.service.uploads import BODY_FILES

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The whole file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """Instructions with what follows them, in order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def last(dockerfile: list[tuple[str, str]], name: str) -> str:
    """What the image that is run has of an instruction."""
    return [value for instruction, value in dockerfile if instruction == name][-1]


def environment(dockerfile: list[tuple[str, str]]) -> dict[str, str]:
    """Variables of the image that is run."""
    found = [value for name, value in dockerfile if name == "ENV"]
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(found)))


def test_settings_and_arguments_that_it_names_are_there(
    compose: dict[str, Any], dockerfile: list[tuple[str, str]]
) -> None:
    fields = {*Settings.__dataclass_fields__, *Layout.__dataclass_fields__}
    service = compose["services"]["heatmap"]
    given = [*service["environment"], *environment(dockerfile)]
    named = {name for name in given if name.startswith("HEATMAP_")}
    assert {name.removeprefix("HEATMAP_").lower() for name in named} <= fields
    assert {"HEATMAP_TOKEN", "HEATMAP_HOST", "HEATMAP_PORT", "HEATMAP_DATA"} <= named
    assert service["build"]["context"] == "."
    arguments = {value.partition("=")[0] for name, value in dockerfile if name == "ARG"}
    assert set(service["build"]["args"]) <= arguments
    # The disk's limit is the service's own where nobody sets one.
    limit = service["environment"]["HEATMAP_MAX_STORAGE_GB"]
    assert limit == f"${{HEATMAP_MAX_STORAGE_GB:-{Settings().max_storage_gb:g}}}"


def test_ports_folder_and_user_agree(
    compose: dict[str, Any], dockerfile: list[tuple[str, str]]
) -> None:
    service, own = compose["services"]["heatmap"], environment(dockerfile)
    (proxied,) = re.findall(
        r"reverse_proxy (\S+):(\d+)", compose["configs"]["caddyfile"]["content"]
    )
    assert proxied == ("heatmap", own["HEATMAP_PORT"])
    assert last(dockerfile, "EXPOSE") == own["HEATMAP_PORT"]
    assert own["HEATMAP_HOST"] == "0.0.0.0"  # the proxy is another container
    assert "ports" not in service  # and the only way in
    # All that is kept is on the volume, in a folder of the user's own.
    assert service["volumes"] == [f"heatmap-data:{own['HEATMAP_DATA']}"]
    assert last(dockerfile, "VOLUME") == own["HEATMAP_DATA"] == last(dockerfile, "WORKDIR")
    assert set(compose["volumes"]) == {"heatmap-data", "caddy-data"}
    user = last(dockerfile, "USER")
    (made,) = (value for name, value in dockerfile if name == "RUN" and "useradd" in value)
    assert user != "0"
    assert f"--uid {user} " in made
    assert f"install -d -o heatmap -g heatmap {own['HEATMAP_DATA']}" in made
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]


def test_what_the_image_is_made_of_is_there(dockerfile: list[tuple[str, str]]) -> None:
    copied = [value.split()[:-1] for name, value in dockerfile if name == "COPY"]
    sources = [source for words in copied for source in words if not words[0].startswith("--")]
    assert {"pyproject.toml", "heatmap_locator", "constraints.txt"} <= set(sources)
    ignored = (ROOT / ".dockerignore").read_text().split()
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source not in ignored
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(last(dockerfile, "ENTRYPOINT"))[0] in scripts


def test_the_proxy_takes_what_the_service_takes(compose: dict[str, Any]) -> None:
    config = compose["configs"]["caddyfile"]["content"]
    (megabytes,) = map(int, re.findall(r"max_size (\d+)MB", config))
    assert megabytes > BODY_FILES * Settings().max_upload_mb
    assert "respond /metrics 404" in config
    # Compose itself replaces $; two of them are one of the proxy's.
    assert config.startswith("{$$HEATMAP_SITE} {")
    assert "HEATMAP_SITE" in compose["services"]["proxy"]["environment"]


@pytest.mark.slow
def test_the_health_check_tells_a_server_that_is_up(
    compose: dict[str, Any],
    dockerfile: list[tuple[str, str]],
    tmp_path: Path,
    plain_weights: Path,
) -> None:
    condition = compose["services"]["proxy"]["depends_on"]["heatmap"]["condition"]
    assert condition == "service_healthy"
    text = last(dockerfile, "HEALTHCHECK")
    command = json.loads(text[text.index("CMD ") + 4 :])
    assert command[0] == "python"
    command[0] = sys.executable
    with Server(tmp_path / "data", plain_weights) as server:
        port = {**os.environ, "HEATMAP_PORT": str(server.port)}
        assert subprocess.run(command, env=port, capture_output=True).returncode == 0
    done = subprocess.run(command, env=port, capture_output=True)
    assert done.returncode != 0
