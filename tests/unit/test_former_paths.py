"""Import paths of the version before go on working, and say which one is right."""

import sys
from importlib import import_module

import pytest

from runtime.former_paths import MOVED


@pytest.mark.parametrize(("former", "today"), MOVED.items())
def test_a_former_path_gives_the_module_of_today(former: str, today: str) -> None:
    sys.modules.pop(former, None)
    with pytest.warns(DeprecationWarning, match=f"{former} is deprecated.*import {today}"):
        assert import_module(former) is import_module(today)


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        import_module("runtime.never")
