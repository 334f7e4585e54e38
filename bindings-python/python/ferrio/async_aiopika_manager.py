"""`AsyncAioPikaManager` by the name of its module in python-socketio."""

from .async_pubsub_manager import AsyncAioPikaManager as AsyncAioPikaManager
