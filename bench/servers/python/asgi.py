"""For ASGI servers: uvicorn asgi:app, granian asgi:app"""

from handlers import make, socketio

app = socketio.ASGIApp(make("asgi"))
