"""A model server that speaks the chat completions protocol, and misbehaves on request.

A process of its own with real sockets. What it does is named by the model it is asked for, up to a
`#`; what follows tells one test from another. `GET /requests/<model>` lists what it was sent, and
`PUT /scripts/<name>` has the model `scripted#<name>` say given things.
"""

import gzip
import json
import subprocess
import sys
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 30.0
Json = dict[str, Any]


class ModelServer(ThreadingHTTPServer):
    """What the server remembers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: dict[str, list[Json]] = defaultdict(list)
        self.scripts: dict[str, Json] = {}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_GET(self) -> None:
        """What a model was sent."""
        model = urllib.parse.unquote(self.path.removeprefix("/requests/"))
        self.answer(200, json.dumps(self.server.requests[model]).encode())

    def do_PUT(self) -> None:
        """What the scripted model says from now on."""
        name = urllib.parse.unquote(self.path.removeprefix("/scripts/"))
        self.server.scripts[name] = self.body()
        self.answer(200, b"{}")

    def do_POST(self) -> None:
        """A chat completion."""
        asked = self.body()
        model = asked["model"]
        self.server.requests[model].append(
            {"path": self.path, "key": self.headers.get("Authorization"), "body": asked}
        )
        kind, _, name = model.partition("#")
        with suppress(OSError):  # whoever asked has given up
            BEHAVIOURS[kind](self, asked, name)

    def body(self) -> Json:
        """The JSON that came with it."""
        found: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for field, value in headers.items():
            self.send_header(field.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def say(self, content: object, *, finish: str = "stop", **message: object) -> None:
        """A chat completion with this content."""
        text = content if isinstance(content, str) else json.dumps(content)
        choice = {"message": {"role": "assistant", "content": text, **message}}
        usage = {"prompt_tokens": 400, "completion_tokens": 40}
        body = {"choices": [{**choice, "finish_reason": finish}], "usage": usage}
        self.answer(200, json.dumps(body).encode(), Content_Type="application/json")


def _is_reading(asked: Json) -> bool:
    return bool(asked["response_format"]["json_schema"]["name"] == "what_a_reply_wants")


def _data(asked: Json) -> Json:
    found: Json = json.loads(asked["messages"][1]["content"])
    return found


def intent(name: str, *also: str) -> Json:
    """What a model says about a reply."""
    return {"intent": name, "confidence": 0.95, "also": list(also), "sentiment": "neutral"}


def _sensibly(asked: Json) -> Json:
    """Reads by its question mark, answers with the passage that shares most words."""
    data = _data(asked)
    if _is_reading(asked):
        return intent("QUESTION" if "?" in data["reply"] else "BOOKING_REQUEST")
    wanted = set(data["question"].casefold().strip("?").split())
    best = max(data["passages"], key=lambda p: len(wanted & set(p.casefold().split())))
    return {"found": True, "sentences": [best]}


def honest(handler: Handler, asked: Json, _name: str) -> None:
    """As it should be."""
    handler.say(_sensibly(asked))


def slow(handler: Handler, asked: Json, name: str) -> None:
    """Thinks for a while."""
    time.sleep(0.2)
    honest(handler, asked, name)


def hanging(handler: Handler, asked: Json, _name: str) -> None:
    """Never says anything."""
    time.sleep(HANG_SECONDS)


def hanging_once(handler: Handler, asked: Json, name: str) -> None:
    """Says nothing the first time."""
    (hanging if _is_first(handler, asked) else honest)(handler, asked, name)


def dribbling(handler: Handler, asked: Json, _name: str) -> None:
    """Sends a little now and then, so that no read ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    until = time.monotonic() + HANG_SECONDS
    while time.monotonic() < until:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def failing(handler: Handler, asked: Json, _name: str) -> None:
    """Fails, and says nothing useful about it."""
    handler.answer(500, b"<html>Oops</html>")


def _is_first(handler: Handler, asked: Json) -> bool:
    return len(handler.server.requests[asked["model"]]) == 1


def failing_once(handler: Handler, asked: Json, name: str) -> None:
    """Fails the first time."""
    (failing if _is_first(handler, asked) else honest)(handler, asked, name)


def busy(handler: Handler, asked: Json, _name: str) -> None:
    """Sends everybody away for an hour."""
    handler.answer(429, b"{}", Retry_After="3600")


def busy_once(handler: Handler, asked: Json, name: str) -> None:
    """Sends the first one away for a moment."""
    if _is_first(handler, asked):
        handler.answer(429, b"{}", Retry_After="0")
    else:
        honest(handler, asked, name)


def refusing(handler: Handler, asked: Json, _name: str) -> None:
    """Does not know the key."""
    handler.answer(401, b'{"error": {"message": "bad key"}}')


def redirecting(handler: Handler, asked: Json, _name: str) -> None:
    """Sends the key elsewhere."""
    where = f"http://127.0.0.1:{handler.server.server_port}/elsewhere"
    handler.answer(307, b"", Location=where)


def cutting(handler: Handler, asked: Json, _name: str) -> None:
    """Hangs up in the middle of a word."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.close()


def half_json(handler: Handler, asked: Json, _name: str) -> None:
    """Answers with the half of an envelope."""
    handler.answer(200, b'{"choices": [{"message": {"content": "{')


def deep_json(handler: Handler, asked: Json, _name: str) -> None:
    """Nests deeper than any parser likes."""
    handler.answer(200, b'{"choices": ' + b"[" * 20_000 + b"]" * 20_000 + b"}")


def chatting(handler: Handler, asked: Json, _name: str) -> None:
    """Speaks where JSON was asked for."""
    handler.say("Sure! This sounds like somebody who wants to book a visit.")


def wrong_schema(handler: Handler, asked: Json, _name: str) -> None:
    """Fills in another form."""
    handler.say({"intent": "PARTY", "confidence": 7, "sentences": "yes"})


def acting(handler: Handler, asked: Json, _name: str) -> None:
    """Adds things to do."""
    extra = {"action": "send_email", "to": "all-patients", "status": "RECOVERED"}
    handler.say({**_sensibly(asked), **extra})


def calling_tools(handler: Handler, asked: Json, _name: str) -> None:
    """Calls a tool that nobody offered."""
    call = {"id": "1", "type": "function", "function": {"name": "delete", "arguments": "{}"}}
    handler.say(_sensibly(asked), tool_calls=[call])


def playing_guard(handler: Handler, asked: Json, _name: str) -> None:
    """Says what only guards may find."""
    handler.say(intent("BOUNCE") if _is_reading(asked) else _sensibly(asked))


def silent(handler: Handler, asked: Json, _name: str) -> None:
    """Answers with nothing."""
    handler.say("")


def unfinished(handler: Handler, asked: Json, _name: str) -> None:
    """Runs out of tokens."""
    handler.say(_sensibly(asked), finish="length")


def huge(handler: Handler, asked: Json, _name: str) -> None:
    """Says five megabytes."""
    handler.say(" " * 5_000_000)


def bomb(handler: Handler, asked: Json, _name: str) -> None:
    """Says a gigabyte's worth of blanks in a megabyte."""
    packed = gzip.compress(b" " * 50_000_000, compresslevel=9)
    handler.answer(200, packed, Content_Encoding="gzip")


def inventing(sentence: str) -> Callable[[Handler, Json, str], None]:
    """Answers questions with a sentence of its own beside a true one."""

    def behave(handler: Handler, asked: Json, _name: str) -> None:
        said = _sensibly(asked)
        if not _is_reading(asked):
            said["sentences"].append(sentence)
        handler.say(said)

    return behave


def scripted(handler: Handler, asked: Json, name: str) -> None:
    """Says what a test wrote down."""
    script = handler.server.scripts[name]
    handler.say(script["reads"] if _is_reading(asked) else script["answers"])


BEHAVIOURS: dict[str, Callable[[Handler, Json, str], None]] = {
    "honest": honest,
    "slow": slow,
    "hanging": hanging,
    "hanging-once": hanging_once,
    "dribbling": dribbling,
    "failing": failing,
    "failing-once": failing_once,
    "busy": busy,
    "busy-once": busy_once,
    "refusing": refusing,
    "redirecting": redirecting,
    "cutting": cutting,
    "half-json": half_json,
    "deep-json": deep_json,
    "chatting": chatting,
    "wrong-schema": wrong_schema,
    "acting": acting,
    "calling-tools": calling_tools,
    "playing-guard": playing_guard,
    "silent": silent,
    "unfinished": unfinished,
    "huge": huge,
    "bomb": bomb,
    "inventing-a-price": inventing("An in-office whitening costs $99."),
    "inventing-a-link": inventing("Book at https://cheap-teeth.example/now."),
    "inventing-a-phone": inventing("Call Dr. Quick on +1 900 555 0199."),
    "inventing-a-time": inventing("We are open on Sunday from 9 am to 5 pm."),
    "scripted": scripted,
}


@contextmanager
def model_server() -> Iterator[str]:
    """The server in a process of its own; its base address."""
    command = [sys.executable, "-m", "tests.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


if __name__ == "__main__":
    running = ModelServer()
    sys.stdout.write(f"{running.server_port}\n")
    sys.stdout.flush()
    running.serve_forever()
