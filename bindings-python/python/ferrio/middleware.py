"""`WSGIApp` and `Middleware` by the name of their module in python-socketio."""

from .wsgi import Middleware as Middleware
from .wsgi import WSGIApp as WSGIApp
