"""Weights files: there and back, and one clear line for whatever is not one."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from heatmap_locator.command.export import main
from heatmap_locator.errors import WeightsError
from heatmap_locator.model.files import (
    FORMAT,
    SHIPPED,
    UNNAMED_RANKER,
    load_model,
    read_weights,
    save_model,
    write_atomically,
)
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.ranker import FEATURES, Ranker, features_of

CONFIG = ModelConfig(features=4, rotations=16, head_decoder=(4, 4, 4))


@pytest.fixture(scope="module")
def model() -> HeatmapLocator:
    torch.manual_seed(3)
    return HeatmapLocator(CONFIG)


@pytest.fixture
def saved(model: HeatmapLocator, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(model, path, {"calibration": {"scale": 1.5, "unseen": -0.5}, "step": 7})
    return path


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def rewrite(path: Path, **metadata: str) -> None:
    save_file(load_file(path), path, metadata)


def test_a_model_survives_its_file(model: HeatmapLocator, saved: Path) -> None:
    loaded, extra = load_model(saved)
    assert loaded.config == CONFIG
    assert extra == {"calibration": {"scale": 1.5, "unseen": -0.5}, "step": 7}
    wanted = model.state_dict()
    assert list(loaded.state_dict()) == list(wanted)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


def test_a_loaded_model_is_ready_to_answer(saved: Path) -> None:
    loaded, _ = load_model(saved)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(
        loaded.encode_picture(image).features, load_model(saved)[0].encode_picture(image).features
    )


def test_a_file_can_be_read_by_others_and_nothing_is_left_behind(saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_failed_write_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(saved, b"half")
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such weights file" in refused(tmp_path / "none.safetensors")


def test_a_folder_is_no_weights_file(tmp_path: Path) -> None:
    assert "no such weights file" in refused(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_a_file_cut_short(saved: Path, kept: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    assert "not a readable safetensors file" in refused(saved)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    assert "not a readable safetensors file" in refused(path)


def test_a_pickle_is_not_opened(tmp_path: Path, model: HeatmapLocator) -> None:
    path = tmp_path / "model.pt"
    torch.save(model.state_dict(), path)
    assert "not a readable safetensors file" in refused(path)


def test_another_format_is_named(saved: Path) -> None:
    rewrite(saved, format="heatmap-locator/99", config=json.dumps(CONFIG.to_dict()))
    message = refused(saved)
    assert "heatmap-locator/99" in message
    assert FORMAT in message


def test_safetensors_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    assert "unknown" in refused(path)


@pytest.mark.parametrize(
    "config",
    [
        None,
        "{not json",
        "[1, 2]",
        '{"features": 5, "rotations": 16, "head_decoder": [4, 4, 4]}',
        '{"features": "four", "rotations": 16, "head_decoder": [4, 4, 4]}',
        '{"features": 4, "rotations": 17, "head_decoder": [4, 4, 4]}',
        '{"features": 4, "rotations": 16, "head_decoder": [4, 4, 4], "layers": 3}',
        pytest.param(
            '{"features": 4, "rotations": 16, "head_decoder": [4, 4, 4], "encoder": "nonesuch"}',
            marks=pytest.mark.skipif(
                importlib.util.find_spec("segmentation_models_pytorch") is None,
                reason="asks segmentation-models-pytorch: pip install '.[encoders]'",
            ),
        ),
    ],
)
def test_a_configuration_that_does_not_fit(saved: Path, config: str | None) -> None:
    rewrite(saved, format=FORMAT, **({} if config is None else {"config": config}))
    assert "does not fit" in refused(saved)


def test_a_missing_tensor(saved: Path) -> None:
    tensors = load_file(saved)
    del tensors["head.readout"]
    save_file(tensors, saved, {"format": FORMAT, "config": json.dumps(CONFIG.to_dict())})
    assert "does not fit" in refused(saved)


def test_a_file_of_0_1_0_with_stages_that_never_ran(model: HeatmapLocator, saved: Path) -> None:
    metadata = {"format": FORMAT, "config": json.dumps(CONFIG.to_dict())}
    dead = {
        f"head.unet.encoder.model.blocks.{stage}.0.conv_dw.weight": torch.ones(8, 1, 3, 3)
        for stage in range(2, 6)
    }
    save_file(load_file(saved) | dead, saved, metadata)
    loaded, _ = load_model(saved)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    save_file(
        load_file(saved) | {"head.unet.encoder.model.blocks.6.x": torch.ones(1)}, saved, metadata
    )
    assert "does not fit" in refused(saved)


def test_a_model_without_a_ranker_has_the_unfitted_one(saved: Path) -> None:
    tensors = load_file(saved)
    del tensors["ranker.weights"]
    save_file(tensors, saved, {"format": FORMAT, "config": json.dumps(CONFIG.to_dict())})
    torch.testing.assert_close(load_model(saved)[0].ranker.weights.data, Ranker().weights.data)


def with_ranker(path: Path, weights: list[float], names: list[str] | None) -> None:
    tensors = load_file(path) | {"ranker.weights": torch.tensor(weights)}
    metadata = {"format": FORMAT, "config": json.dumps(CONFIG.to_dict())}
    save_file(tensors, path, metadata | ({} if names is None else {"ranker": json.dumps(names)}))


def test_a_ranker_s_weights_are_known_by_name(saved: Path) -> None:
    values = [float(i) for i in range(len(FEATURES))]
    with_ranker(saved, values[::-1], list(FEATURES[::-1]))
    assert load_model(saved)[0].ranker.weights.tolist() == values
    save_model(load_model(saved)[0], saved, {})
    assert load_model(saved)[0].ranker.weights.tolist() == values


def test_a_file_without_the_names_has_the_nine_of_its_time(saved: Path) -> None:
    values = dict(zip(UNNAMED_RANKER, map(float, range(9)), strict=True))
    with_ranker(saved, list(values.values()), None)
    loaded = load_model(saved)[0].ranker
    assert loaded.weights.tolist() == [values[name] for name in FEATURES]
    one = features_of({name: torch.tensor([float(name == "turn")]) for name in FEATURES})
    assert loaded(one).tolist() == [values["turn"]]


def test_the_shipped_file_names_its_ranker_s_measures() -> None:
    _, metadata, tensors = read_weights(None, SHIPPED, FORMAT, "weights")
    assert sorted(json.loads(metadata["ranker"])) == sorted(FEATURES)
    assert len(tensors["ranker.weights"]) == len(FEATURES)


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (8, None),
        (10, None),
        (8, list(FEATURES[:-1])),
        (9, [*FEATURES[:-1], "weather"]),
        (9, [*FEATURES[:-1], FEATURES[0]]),
        (10, [*FEATURES, "weather"]),
        (10, [*FEATURES, "head"]),
        (8, list(FEATURES)),
    ],
)
def test_a_ranker_of_other_measures_is_refused(
    saved: Path, count: int, names: list[str] | None
) -> None:
    with_ranker(saved, [1.0] * count, names)
    message = refused(saved)
    assert "a ranker of other measures" in message
    assert "use weights of this version" in message


@pytest.mark.parametrize("names", ["{not json", "7"])
def test_names_that_are_none(saved: Path, names: str) -> None:
    metadata = {"format": FORMAT, "config": json.dumps(CONFIG.to_dict()), "ranker": names}
    save_file(load_file(saved), saved, metadata)
    assert "does not fit" in refused(saved)


def test_measures_are_stacked_by_name() -> None:
    measured = {name: torch.tensor([float(i)]) for i, name in enumerate(FEATURES)}
    assert features_of(dict(reversed(measured.items()))).tolist() == [list(range(len(FEATURES)))]
    with pytest.raises(ValueError, match="unknown measures: weather"):
        features_of(measured | {"weather": torch.ones(1)})
    with pytest.raises(ValueError, match="turn"):
        features_of({k: v for k, v in measured.items() if k != "turn"})


def test_an_older_file_says_the_same_and_is_written_as_today_s(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to 0.2.0 the head's last layer had outputs for size, offset and rotation, after heat."""
    model, extra = load_model(saved)
    generator = torch.Generator().manual_seed(0)
    model.head.fuse[-1].weight.normal_(generator=generator)
    save_model(model, saved, extra)
    tensors, old = load_file(saved), tmp_path / "old.safetensors"
    longer = {
        name: torch.cat([tensors[name], torch.randn(6, *tensors[name].shape[1:])])
        for name in ("head.fuse.4.weight", "head.fuse.4.bias")
    }
    config = {"format": FORMAT, "config": json.dumps(CONFIG.to_dict()), "extra": json.dumps(extra)}
    save_file(tensors | longer, old, config)
    volumes = [torch.rand(1, CONFIG.rotations, 9, 11, generator=generator) for _ in range(2)]
    wanted = model.head(*volumes)
    found = load_model(old)[0].head(*volumes)
    for name in ("heat", "offset", "rotation", "best"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name

    assert main([str(tmp_path / "new"), "--weights", str(old), "--as-weights"]) == 0
    assert "parameters" in capsys.readouterr().out
    written = load_file(tmp_path / "new" / SHIPPED)
    assert written.keys() == tensors.keys()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in written.items())
    assert load_model(tmp_path / "new" / SHIPPED)[1] == extra

    save_file(tensors | {"head.fuse.4.weight": torch.ones(5, 8, 1, 1)}, old, config)
    assert "does not fit" in refused(old)
