"""A listener to the chat of `fastapi_app.py` or `serve_app.py` without handlers: ``python simple_client.py [URL]``."""

import sys

import ferrio as socketio


def main(url: str = "http://127.0.0.1:8000") -> None:
    with socketio.SimpleClient() as sio:
        sio.connect(url, auth={"name": "a listener"})
        print("listening by", sio.transport)
        sio.call("say", "hello")
        while True:
            event, *args = sio.receive()
            print(event, *args)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (KeyboardInterrupt, socketio.exceptions.DisconnectedError):
        print("the end")
