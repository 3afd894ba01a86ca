"""Makes a provider do what it would not do on demand, with nothing but HTTP: any language can.

Run `understudy serve` and then this, with the server's address if it is another one.
"""

import sys
import uuid

import httpx

ORIGIN = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8787"
# Every key has its own jobs, rules and clock: a new one for each test keeps tests apart.
client = httpx.Client(base_url=ORIGIN, headers={"Authorization": f"Bearer test-{uuid.uuid4()}"}, trust_env=False)
control = "/_understudy"


def submit() -> str:
    answer = client.post("/api/v3/bytedance/seedream-v4/edit-sequential", json={"prompt": "A red shoe"})
    return str(answer.raise_for_status().json()["data"]["id"])


def status(job: str) -> str:
    answer = client.get(f"/api/v3/predictions/{job}/result")
    return str(answer.raise_for_status().json()["data"]["status"])


# Time stands still until it is set forward.
client.put(f"{control}/clock", json={"mode": "manual"}).raise_for_status()
# The next submission takes five minutes and fails.
rule = {"next": True, "job": {"latency": "5m", "fail": {"text": "Out of paint"}}}
client.post(f"{control}/rules", json=rule).raise_for_status()

doomed, well = submit(), submit()
client.post(f"{control}/clock/advance", json={"by": "30s"}).raise_for_status()
print("after 30 s:", status(doomed), status(well))

for event in client.post(f"{control}/clock/idle").raise_for_status().json()["events"]:
    print("then:", "the first job" if event["job"] == doomed else "the second job", event["state"])
print("in the end:", status(doomed), status(well))

print("exchanges:", len(client.get(f"{control}/journal").raise_for_status().json()["exchanges"]))
for finding in client.get(f"{control}/verdict").raise_for_status().json()["findings"]:
    print("verdict:", finding["message"])
