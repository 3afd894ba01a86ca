"""The careful client behind a command: `understudy check --client-command "python lines_adapter.py"`.

JSON lines over standard input and output, as docs/client-protocol.md describes them, with nothing but the standard
library and the client itself. An adapter in another language does the same.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

from careful_client import Client, ClientError

BOTH = ["submit", "status", "result", "run"]
ONLY = {"wavespeed": ["upload", "webhook"], "runcomfy": ["cancel"]}


def answer(client: Client | None, call: str, asked: dict[str, Any]) -> Any:
    assert client is not None, "open comes before any other call but hello"
    match call:
        case "submit":
            return client.submit(asked["model"], asked["inputs"])
        case "status":
            return client.status(asked["job"])
        case "result":
            return client.result(asked["job"])._asdict()
        case "run":
            return client.run(asked["model"], asked["inputs"])._asdict()
        case "cancel":
            return client.cancel(asked["job"])
        case "upload":
            return client.upload(asked["name"], base64.b64decode(asked["data"]))
        case "webhook":
            return client.webhook(asked["headers"], asked["body"].encode(), asked["secret"])._asdict()
        case _:
            raise ValueError(f"there is no call {call}")


def main() -> None:
    client = None
    for line in sys.stdin:
        asked = json.loads(line)
        told: dict[str, Any] = {"id": asked["id"]}
        try:
            match asked["call"]:
                case "hello":
                    told["value"] = {"protocol": 1, "providers": list(ONLY)}
                case "open":
                    account = asked["account"]
                    client = Client(**account)
                    told["value"] = {"capabilities": BOTH + ONLY[account["provider"]]}
                case call:
                    told["value"] = answer(client, call, asked)
        except Exception as error:
            own = isinstance(error, ClientError)
            told["error"] = {"type": type(error).__name__, "message": str(error), "own": own}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
