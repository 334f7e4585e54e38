"""ferrio's Python package, as it is installed in the virtual environment."""

import ferrio as socketio
from program import main

main(socketio)
