"""`KombuManager` by the name of its module in python-socketio."""

from .pubsub_manager import KombuManager as KombuManager
