"""The names of python-engineio that programs written for python-socketio touch."""

from . import exceptions as exceptions
from . import json as json
from . import packet as packet
from . import payload as payload
