"""The option --slow: without it the tests that count at full length are skipped, and the report says so. And two runs
that several files look at."""
import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks the hub, and no command that a test starts


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too, at their full counts")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: runs only with --slow")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(scope="session")
def sft_run(tmp_path_factory) -> Path:
    """A small run of sft.py, made once for all files."""
    from test_scripts import SFT, inside
    directory = tmp_path_factory.mktemp("sft")
    inside(*SFT, "--out", directory)
    return directory


@pytest.fixture(scope="session")
def grpo_run(sft_run, tmp_path_factory) -> Path:
    """A small run of grpo.py."""
    from test_scripts import GRPO, inside
    directory = tmp_path_factory.mktemp("grpo")
    inside(*GRPO, "--model", sft_run, "--out", directory)
    return directory
