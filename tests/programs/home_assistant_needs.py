"""What Home Assistant would install by itself for these integrations and those it always starts."""

import json
import sys
from pathlib import Path

import homeassistant
from homeassistant import bootstrap

COMPONENTS = Path(homeassistant.__file__).parent / "components"


def add(integration, seen, needs):
    if integration not in seen:
        seen.add(integration)
        manifest = json.loads((COMPONENTS / integration / "manifest.json").read_text())
        needs.update(manifest.get("requirements", []))
        for dependency in manifest.get("dependencies", []) + manifest.get("after_dependencies", []):
            add(dependency, seen, needs)


seen, needs = set(), set()
for integration in (*bootstrap.CORE_INTEGRATIONS, *bootstrap.DEFAULT_INTEGRATIONS, "onboarding", *sys.argv[1:]):
    add(integration, seen, needs)
print(*sorted(needs), sep="\n")
