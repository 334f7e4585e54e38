"""`KafkaManager` by the name of its module in python-socketio."""

from .pubsub_manager import KafkaManager as KafkaManager
