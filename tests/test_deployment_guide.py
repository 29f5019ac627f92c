"""The deployment guide names only what there is."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from app.cli import commands
from app.core.config import Settings
from app.main import create_app
from app.services.metrics import Metrics
from tests.factories import make_settings

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "deployment.md").read_text()


class TestDeploymentGuide:
    def test_names_settings_that_exist_and_the_ones_that_matter(self) -> None:
        in_words = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|HOST|PORT)(?:=[^`]*)?`", GUIDE))
        in_file = set(re.findall(r"^([A-Z_]+)=", GUIDE, re.MULTILINE))

        there_are = {name.upper() for name in Settings.model_fields}
        assert in_words | in_file <= there_are
        assert {"MONGO_URI", "JWT_SECRET_KEY", "TRUSTED_PROXIES"} <= in_words & in_file
        assert all(rule in in_words for rule in there_are if rule.startswith("KEEP_"))

    def test_names_metrics_that_are_counted(self) -> None:
        named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*_(?:total|seconds|depth))`", GUIDE))

        families = list(text_string_to_metric_families(Metrics().render().decode()))
        counted = {one.name for one in families}
        counted |= {f"{one.name}_total" for one in families if one.type == "counter"}
        assert len(named) > 8
        assert named <= counted

    def test_names_commands_and_operations_that_exist(self) -> None:
        named = set(re.findall(r"python -m app ([a-z-]+)", GUIDE))
        asked = set(re.findall(r"`(GET|POST) (/\S+)`", GUIDE))

        registered = {
            command.name or str(getattr(command.callback, "__name__", ""))
            for command in commands.registered_commands
        }
        document = create_app(make_settings(mongo_uri="mongodb://127.0.0.1:1/")).openapi()
        there_are = {
            (method.upper(), path.removeprefix("/api/v1"))
            for path, item in document["paths"].items()
            for method in item
        }
        assert named <= registered
        assert asked <= there_are

    def test_every_link_leads_somewhere(self) -> None:
        targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", GUIDE)

        assert targets
        assert [one for one in targets if not (ROOT / "docs" / one).exists()] == []
