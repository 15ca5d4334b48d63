"""docs/SETTINGS.md is what the settings say of themselves."""

from dataclasses import fields

from mail.config import settings
from tests.house.tree import ROOT


def test_the_page_is_current():
    assert (ROOT / "docs/SETTINGS.md").read_text() == settings.page(), "run: ./mailctl settings page > docs/SETTINGS.md"


def test_every_setting_has_words():
    assert [one.name for one in fields(settings.Settings) if len(one.metadata["help"]) < 10] == []
