"""`RedisManager` by the name of its module in python-socketio."""

from .pubsub_manager import RedisManager as RedisManager
