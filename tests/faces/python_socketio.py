"""The original."""

import socketio
from program import main

main(socketio)
