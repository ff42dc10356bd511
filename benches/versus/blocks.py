"""A program that measures both brokers in blocks with one light client, and writes a section of the page."""

import argparse
import os
import pathlib
import shutil
import tempfile

from common import TARGET, floors_of, host
from figures import floor_line, into_page


def head_of(floors, options, client):
    """The lines above a table: what was measured, on what, and how to read it."""
    machine = host()
    return [
        f"Corelane {machine['commit']} beside Apache Kafka {machine['kafka']}, {machine['date']}, "
        f"{machine['cpu']}, kernel {machine['kernel']}: brokers on CPU {options.broker_cpus}, {client}",
        f"on CPU {options.load_cpus}; {options.blocks} blocks of {options.seconds} s a side. "
        "Each figure is Corelane / Kafka = **ratio** (lowest–highest of single blocks).",
        f"The floors of the run: {floor_line([floors])}.", "",
    ]


def program(description, section, text_of):
    """Reads the options and measures; `text_of` gets a folder, the floors and the options."""
    last = (os.cpu_count() or 2) - 1
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--blocks", type=int, default=3, help="of each side [3]")
    parser.add_argument("--seconds", type=int, default=5, help="measured in a block [5]")
    parser.add_argument("--warm-up", type=int, default=3, help="seconds before that [3]")
    parser.add_argument("--broker-cpus", default=str(last), help="for taskset [the last CPU]")
    parser.add_argument("--load-cpus", default="0", help="for the client [the first CPU]")
    options = parser.parse_args()
    if options.quick:
        options.blocks, options.seconds, options.warm_up = 1, 2, 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-", dir=TARGET))
    try:
        text = text_of(folder, floors_of(folder), options)
        print(text)
        if not options.quick:
            into_page(section, text)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
