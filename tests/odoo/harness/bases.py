"""What stands in a database: one of several modules named `sicantik_connector`, and the bridge on top of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .system import CHECKOUT, HarnessError

BRIDGE = "sicantik_sidecar"
CONNECTOR = "sicantik_connector"
OWN_ADDONS = CHECKOUT / "odoo_addon"
OTHERS = CHECKOUT / "tests/odoo/bases"


@dataclass(frozen=True)
class Base:
    """A folder of addons, the modules installed from it, and which of the bridge's tests run on them."""

    folder: Path | None
    modules: tuple[str, ...]
    test_tags: str = f"test_bases/{BRIDGE}"


BASES = {
    # Ours, for an office without a module of its own: all tests of both addons.
    "standalone": Base(OWN_ADDONS / "standalone", (CONNECTOR,), f"/{CONNECTOR},/{BRIDGE}"),
    # The module of the first design, complete and with the fewest fields that plain mode needs.
    "seed": Base(OTHERS / "seed", (CONNECTOR,)),
    "least": Base(OTHERS / "least", (CONNECTOR,)),
    # The module of the first office, with two others that stand on it.
    "predecessor": Base(OTHERS / "predecessor", (CONNECTOR, "sicantik_tte", "sicantik_whatsapp")),
    # An Odoo without permits.
    "none": Base(None, ()),
}
DEFAULT = "standalone"
TESTED = ("standalone", "seed", "least", "predecessor")


def wanted(base: str, bridge: bool = True) -> dict:
    """The addons path and the modules of a base. The bridge is on the path even where it is not installed, and last:
    it shadows nothing."""
    chosen = BASES[base]
    folders = [*([chosen.folder] if chosen.folder else []), OWN_ADDONS]
    modules = [*chosen.modules, *([BRIDGE] if bridge and chosen.folder else [])]
    for module in modules:
        if not any((folder / module / "__manifest__.py").exists() for folder in folders):
            raise HarnessError(f"there is no module {module} in {', '.join(map(str, folders))}")
    return {"addons": ",".join(map(str, folders)), "install": ",".join(modules)}
