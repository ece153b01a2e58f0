"""Where the SQL stands: ``sql/`` beside the package in a checkout, ``outbox/_sql`` inside an installed wheel."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


@cache
def sql_directory() -> Traversable:
    """The directory that holds every statement which creates something.

    Raises ``FileNotFoundError`` where neither place exists: a broken installation.
    """
    packaged = files("outbox").joinpath("_sql")
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parent.parent / "sql"
    if checkout.is_dir():
        return checkout
    raise FileNotFoundError("zoho-outbox is installed without its SQL files; install it again")
