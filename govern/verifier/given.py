"""The options of ``govern verify`` for what others made; nothing is imported to offer them."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a person holds apart from the trust file."""
    parser.add_argument(
        "--artifact",
        metavar="PATH",
        help="the folder or file that a detached signature or timestamp is about",
    )
    parser.add_argument(
        "--public-key",
        action="append",
        default=[],
        metavar="PEM",
        help="a public key that may have signed; may be given several times",
    )
    parser.add_argument(
        "--threshold",
        type=int,
        default=1,
        metavar="N",
        help="how many of the keys must have signed an envelope (default 1)",
    )
