"""The option --slow: without it the tests that count at full length are skipped, and the report says so."""
import os

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
