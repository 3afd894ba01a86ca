import wavespeed

from understudy.mockserver.app import create_app
from understudy.mockserver.server import running

with running(create_app()) as origin:
    client = wavespeed.Client(api_key="any", base_url=origin)
    inputs = {"prompt": "A series of 2 images of a red shoe", "max_images": 2}
    print(client.run("bytedance/seedream-v4/edit-sequential", inputs)["outputs"])
