"""Output files in a real browser: each has its size there, and the pixels that Pillow decodes."""

from __future__ import annotations

import html
import io
import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from image_specs import a_spec
from live import Live
from PIL import Image

from conftest import BROWSER, NO_BROWSER
from understudy.mockserver.images import draw

pytestmark = pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)

DONE = 2500
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGE = """<!doctype html><title>images</title>
{images}
<pre id="found"></pre>
<script>
function bytes(url) {{
  const request = new XMLHttpRequest();
  request.open("GET", url, false);  // so that the page is not done before it has looked
  request.overrideMimeType("text/plain; charset=x-user-defined");
  request.send();
  return request.responseText;
}}
addEventListener("load", () => {{
  const found = {{}};
  for (const image of document.images) {{
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const context = Object.assign(document.createElement("canvas"), {{width, height}})
      .getContext("2d", {{willReadFrequently: true}});
    context.drawImage(image, 0, 0);
    const seen = context.getImageData(0, 0, width, height).data, expected = bytes(image.alt);
    let most = 0, sum = 0;
    for (let pixel = 0; pixel < width * height; pixel++)
      for (let band = 0; band < 3; band++) {{
        const apart = Math.abs(seen[4 * pixel + band] - (expected.charCodeAt(3 * pixel + band) & 255));
        most = Math.max(most, apart);
        sum += apart;
      }}
    found[image.id] = {{width, height, most, mean: sum / (3 * width * height), bytes: expected.length}};
  }}
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>
"""


def decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


@contextmanager
def page(files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a page that shows the files, looks at their pixels and writes down what it found."""
    images = "\n".join(f'<img id="{name}" src="/{name}" alt="/{name}.rgb" width="200">' for name in files)
    served = {f"/{name}": data for name, data in files.items()}
    served |= {f"/{name}.rgb": decoded(data).tobytes() for name, data in files.items()}
    served["/"] = PAGE.format(images=images).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = served.get(self.path)
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def browse(url: str, profile: Path, *flags: str) -> str:
    """What the browser has made of a page when it has loaded."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


def outputs_of(live: Live, path: str, inputs: dict[str, Any]) -> list[bytes]:
    answer = live.client.post(path, json=inputs).raise_for_status().json()
    live.advance(DONE)
    if "data" in answer:
        urls = live.client.get(answer["data"]["urls"]["get"]).json()["data"]["outputs"]
    else:
        urls = live.client.get(answer["result_url"]).json()["output"]["images"]
    return [httpx.get(url, trust_env=False).content for url in urls]


def test_a_browser_shows_every_format_and_size_as_pillow_decodes_it(live: Live, tmp_path: Path) -> None:
    v4 = "/api/v3/bytedance/seedream-v4/sequential"
    lite = "/api/v3/bytedance/seedream-v5.0-lite"
    files = {
        f"v4-{size.replace('*', 'x')}-{index}.jpeg": data
        for size in ("1024*1024", "2048*2048", "1337*2111", "4096*1024")
        for index, data in enumerate(outputs_of(live, v4, {"prompt": "x", "size": size, "max_images": 2}), 1)
    }
    for size in ("1440*2560", "2049*1441"):
        [data] = outputs_of(live, lite, {"prompt": "x", "size": size, "output_format": "png"})
        files[f"lite-{size.replace('*', 'x')}.png"] = data
    [files["pro-2048x2048.png"]] = outputs_of(
        live, "/v1/models/bytedance/seedream-5.0-pro/text-to-image", {"prompt": "x"}
    )
    for width, height in ((64, 64), (1021, 517), (64, 1024), (8192, 64)):
        for kind in ("png", "jpeg", "webp"):
            files[f"own-{width}x{height}.{kind}"] = draw(a_spec(width=width, height=height, format=kind))
    files["own-black-512x512.jpeg"] = draw(a_spec(width=512, height=512, format="jpeg", flagged=True, black=True))

    with page(files) as url:
        shown = browse(url, tmp_path / "profile", "--dump-dom")

    match = re.search(r'<pre id="found">(.*)</pre>', shown)
    assert match is not None, shown[-2000:]
    found = json.loads(html.unescape(match[1]))
    sizes = {name: tuple(map(int, re.findall(r"(\d+)x(\d+)", name)[0])) for name in files}
    assert sizes == {name: (one["width"], one["height"]) for name, one in found.items()}
    assert {name: 3 * width * height for name, (width, height) in sizes.items()} == {
        name: one["bytes"] for name, one in found.items()
    }
    # Two decoders of JPEG may round differently.
    tolerance = {name: 4 if name.endswith("jpeg") else 0 for name in files}
    assert {} == {name: one for name, one in found.items() if one["most"] > tolerance[name]}
