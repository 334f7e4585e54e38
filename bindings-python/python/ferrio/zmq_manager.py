"""`ZmqManager` by the name of its module in python-socketio."""

from .pubsub_manager import ZmqManager as ZmqManager
