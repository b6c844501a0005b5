"""What the `sicantik_connector` under this bridge brings: ours, the seed's, an office's own.

One process has one module of that name on its addons path, and it is imported before this one. So a
class can be told from it while it is made, before there is a database.
"""

from odoo.models import MetaModel

BASE = "sicantik_connector"


def base_classes(model):
    """The classes of the base that define or extend `model`."""
    # Renamed in Odoo 19.
    by_module = getattr(MetaModel, "_module_to_models__", None) or MetaModel.module_to_models
    return [found for found in by_module[BASE] if found._name == model]


def base_has(model):
    return bool(base_classes(model))


def base_inherits(model, mixin):
    """Whether the base itself gives `model` what `mixin` brings."""
    return any(mixin in found._inherit for found in base_classes(model))
