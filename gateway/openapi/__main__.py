"""Prints the OpenAPI document of a descriptor set: `python -m gateway.openapi FILE`. The set must hold the comments."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from gateway.contract import Contract
from gateway.openapi.document import build

EXAMPLES = Path(__file__).with_name("examples.yaml")


def main(descriptor_set: Path) -> None:
    """Writes the document of the services that can be started to standard output."""
    examples = yaml.safe_load(EXAMPLES.read_text("utf-8"))
    contract = Contract(descriptor_set.read_bytes())
    document = build(contract, examples, contract.startable)
    json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
