"""A chat beside a Django application, in one file, with threads.

python django_chat.py [port]
gunicorn -k gthread --threads 100 django_chat:app
"""

from __future__ import annotations

import sys
from typing import Any

import ferrio as socketio
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from werkzeug.serving import run_simple

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the example",
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    # Sessions in the cookie: no database for an example.
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
sio = socketio.Server(async_mode="threading")


def login(request: HttpRequest, name: str) -> HttpResponse:
    request.session["name"] = name
    return HttpResponse(f"hello {name}")


@csrf_exempt
def announce(request: HttpRequest) -> JsonResponse:
    """A view may emit."""
    sio.emit("announcement", request.body.decode())
    return JsonResponse({"sent": True})


urlpatterns = [path("login/<name>", login), path("announce", announce)]
app = socketio.WSGIApp(sio, get_wsgi_application())


class Chat(socketio.Namespace):
    """The handlers, as a class. Who somebody is stands in Django's session."""

    def on_connect(self, sid: str, environ: dict[str, Any]) -> None:
        self.save_session(sid, {"name": session_of(environ).get("name", "nobody")})

    def on_say(self, sid: str, text: str) -> str:
        self.emit("said", (self.get_session(sid)["name"], text))
        return "delivered"


def session_of(environ: dict[str, Any]) -> Any:
    from importlib import import_module

    from django.core.handlers.wsgi import WSGIRequest

    key = WSGIRequest(environ).COOKIES.get(settings.SESSION_COOKIE_NAME)
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


sio.register_namespace(Chat("/chat"))

if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 5000, app, threaded=True)
