"""Which model serves: the one in MODEL_DIR, or the one that ships."""

import logging
import shutil
from pathlib import Path

import httpx
import pytest

from app.core.config import Settings
from app.services.agent.engine import load_models
from app.services.agent.intent import (
    MANIFEST_FILE,
    MODEL_DIRECTORY,
    WEIGHTS_FILE,
    ModelManifest,
    ModelMismatchError,
    model_in_use,
)
from app.services.checks import Checks
from app.services.container import Services
from app.services.health import MODEL_BROKEN


@pytest.fixture
def trained_here(tmp_path: Path) -> Path:
    """The model that ships, as another training would have left it."""
    folder = tmp_path / "model"
    shutil.copytree(MODEL_DIRECTORY, folder)
    manifest = ModelManifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    other = manifest.model_copy(update={"replies": manifest.replies + 1}).sealed()
    (folder / MANIFEST_FILE).write_text(other.model_dump_json(), "utf-8")
    return folder


@pytest.fixture
def damaged(trained_here: Path) -> Path:
    """Half of a model: what a copy that broke off leaves."""
    (trained_here / MANIFEST_FILE).unlink()
    return trained_here


class TestModelInUse:
    def test_without_a_model_in_the_folder_it_is_the_one_that_ships(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("nothing of a model")

        for chosen in (None, tmp_path, tmp_path / "not-made-yet"):
            assert model_in_use(chosen) == MODEL_DIRECTORY

    @pytest.mark.parametrize("name", [MANIFEST_FILE, WEIGHTS_FILE])
    def test_half_a_model_is_not_passed_over(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"")

        assert model_in_use(tmp_path) == tmp_path

    def test_a_folder_that_is_none_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "model"
        file.write_text("")

        with pytest.raises(ModelMismatchError, match="MODEL_DIR cannot be read"):
            model_in_use(file)


class TestLoadModels:
    def test_the_log_says_which_model_serves(
        self, trained_here: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "app.services.agent.engine"):
            own = load_models(trained_here).classifier
            shipped = load_models(tmp_path / "empty").classifier

        assert own.version != shipped.version
        said = [(vars(one)["origin"], vars(one)["version"]) for one in caplog.records]
        assert said == [("MODEL_DIR", own.version), ("shipped", shipped.version)]


@pytest.mark.mongo
class TestTheService:
    @pytest.fixture
    def settings(self, settings: Settings, damaged: Path) -> Settings:
        """A practice whose own model is damaged."""
        return settings.model_copy(update={"model_dir": damaged})

    async def test_reads_no_reply_with_another_model_than_the_one_it_was_given(
        self, services: Services
    ) -> None:
        with pytest.raises(ModelMismatchError, match="no readable intent model"):
            await services.agent.engine.warm_up()

    async def test_says_that_it_is_ready_and_lacks_its_model_until_that_is_mended(
        self, app_client: httpx.AsyncClient, services: Services, damaged: Path
    ) -> None:
        said = [(await app_client.get("/health/ready")).json()["degraded"]]
        with pytest.raises(ModelMismatchError):
            await services.agent.engine.warm_up()
        said.append((await app_client.get("/health/ready")).json()["degraded"])
        shutil.copy(MODEL_DIRECTORY / MANIFEST_FILE, damaged / MANIFEST_FILE)

        await services.agent.engine.warm_up()

        said.append((await app_client.get("/health/ready")).json()["degraded"])
        assert said == [[], [MODEL_BROKEN], []]

    async def test_check_names_what_is_wrong(self, settings: Settings) -> None:
        [line] = [one async for one in Checks(settings).run() if one.name == "model"]

        assert (line.ok, line.detail) == (
            False,
            "ModelMismatchError: no readable intent model in model/: train it",
        )
