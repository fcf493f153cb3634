"""ThingsBoard, CE and PE, 3.6 to 4.4: one door over its old, stable REST addresses."""

from platform_interface.platforms.thingsboard.connector import ThingsBoard

__all__ = ["ThingsBoard"]
