"""The names of the package and their arguments."""

import inspect


def arguments(function):
    """Names, kinds and defaults; what ferrio adds to them is keyword-only or comes last."""
    shown = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(parameter.name + default)
    return ", ".join(shown)


async def play(stage):
    socketio = stage.socketio
    kind = "Namespace" if stage.threads else "AsyncNamespace"
    for name in ("Server" if stage.threads else "AsyncServer", kind, "WSGIApp" if stage.threads else "ASGIApp"):
        thing = getattr(socketio, name)
        stage.say(name, name in socketio.__all__)
        for method in METHODS[name].split():
            stage.say(f"{name}.{method}", arguments(getattr(thing, method)))
    sio = stage.new_server()
    for attribute in ATTRIBUTES.split():
        stage.say(attribute, hasattr(sio, attribute))
    for name, error in sorted(vars(socketio.exceptions).items()):
        if isinstance(error, type) and issubclass(error, Exception):
            stage.say(name, [base.__name__ for base in error.__mro__])
    stage.say(sio.is_asyncio_based(), sio.reserved_events)
    for args in ((), ("m",), ("m", 1), ("m", 1, 2), (5,)):
        stage.say(args, stage.refused(*args).error_args)


ATTRIBUTES = """eio manager environ handlers namespace_handlers async_handlers always_connect namespaces async_mode reason
    logger not_handled packet_class"""
SERVER = """call close_room disconnect emit enter_room event get_environ get_session handle_request instrument leave_room on
    register_namespace rooms save_session send session shutdown sleep start_background_task transport"""
NAMESPACE = """call close_room disconnect emit enter_room get_session leave_room rooms save_session send session
    trigger_event"""
METHODS = {
    "Server": SERVER,
    "AsyncServer": SERVER + " attach",
    "Namespace": NAMESPACE,
    "AsyncNamespace": NAMESPACE,
    "WSGIApp": "__init__",
    "ASGIApp": "__init__",
}
