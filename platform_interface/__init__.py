"""Integration layer of the battery twin: the public face for model authors.

Importing it is cheap: it loads no data-frame library.
"""

from platform_interface.model import Model, ModelError, ModelInput, register_model

__version__ = "0.1.0"
__all__ = ["Model", "ModelError", "ModelInput", "__version__", "register_model"]
