"""What `make demo` runs: three training runs from three kinds of event, on this machine alone.

It uses the command `runyard` as anyone would, with a root folder of its own (`.demo`), and leaves that folder behind
to look around in.
"""

import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent / ".demo"
RUNYARD = str(Path(sys.executable).with_name("runyard"))
PATIENCE = 100.0  # seconds for all three


def runyard(*args: str) -> str:
    """Run the command on the demo's root and return what it printed."""
    done = subprocess.run([RUNYARD, "--root", str(ROOT), *args], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"demo: `runyard {' '.join(args)}` failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def say(text: str) -> None:
    print(f"\n\x1b[1m== {text}\x1b[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def pack(example: str, to: Path) -> None:
    """Zip an example's folder, as any zip tool would."""
    made = shutil.make_archive(str(ROOT / f".{example}"), "zip", HERE / example)
    to.parent.mkdir(parents=True, exist_ok=True)
    Path(made).rename(to)


def start_host() -> subprocess.Popen[bytes]:
    host = subprocess.Popen([RUNYARD, "--root", str(ROOT), "up", "--port", "0"])
    deadline = time.monotonic() + 20
    while not (ROOT / "host.json").exists():
        if host.poll() is not None or time.monotonic() > deadline:
            sys.exit("demo: the host did not start; its own message is above")
        time.sleep(0.05)
    return host


def by_blob() -> None:
    say("1. A zip dropped in a folder: ridge regression, twenty alphas")
    print(f"   cp ridge.zip {ROOT.name}/snapshots/ridge/")
    pack("ridge", ROOT / "snapshots" / "ridge" / "ridge.zip")


def by_queue() -> None:
    say("2. A message on the queue `submissions`: a plain script")
    pack("plain", ROOT / "uploads" / "plain.zip")
    message = json.dumps({"schema": 1, "id": "demo-1", "experiment": "plain", "snapshot": "uploads/plain.zip"})
    print(f"   runyard queue send submissions '{message}'")
    runyard("queue", "send", "submissions", message)


def by_webhook() -> None:
    say("3. A signed webhook, as GitHub sends it: ridge with another alpha")
    secret = ROOT / ".webhook-secret"
    secret.write_text("It's a Secret to Everybody")
    secret.chmod(0o600)
    pack("ridge", ROOT / "uploads" / "ridge.zip")
    add = ["retrain", "--experiment", "ridge", "--snapshot", "uploads/ridge.zip", "--arg", "--alpha={/client_payload/alpha}"]
    print(f"   runyard webhook add {' '.join(add)} --secret-file …")
    runyard("webhook", "add", *add, "--secret-file", str(secret))
    body = json.dumps({"action": "retrain", "client_payload": {"alpha": 0.25}}).encode()
    signature = hmac.new(secret.read_bytes(), body, hashlib.sha256).hexdigest()
    url = json.loads((ROOT / "host.json").read_text())["url"].rstrip("/") + "/api/webhooks/retrain"
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "repository_dispatch",
        "X-GitHub-Delivery": "6b1d2f60-demo",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    print("   curl -H 'X-Hub-Signature-256: sha256=…' --data @payload.json …/api/webhooks/retrain")
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        print(f"   {answer.status}: {json.loads(answer.read())['runId']}")


def wait_for_endings(count: int) -> list[dict[str, object]]:
    deadline = time.monotonic() + PATIENCE
    while True:
        runs = json.loads(runyard("runs", "--json"))["runs"]
        if len(runs) >= count and all(run["status"] in {"Completed", "Failed", "Canceled"} for run in runs):
            return list(runs)
        if time.monotonic() > deadline:
            print(runyard("runs"))
            sys.exit(f"demo: the runs had not all ended after {PATIENCE:.0f} s")
        time.sleep(0.3)


def main() -> int:
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(mode=0o700)
    say(f"A host on this machine (root {ROOT.name}/)")
    host = start_host()
    try:
        by_blob()
        by_queue()
        by_webhook()
        runs = wait_for_endings(3)
        say("runyard runs")
        print(runyard("runs"), end="")
        plain = next(str(run["runId"]) for run in runs if run["experiment"] == "plain")
        say(f"runyard logs {plain}")
        print(runyard("logs", plain), end="")
        say(f"runyard files {plain}")
        print(runyard("files", plain), end="")
        say("runyard metrics --best mse")
        print(runyard("metrics", "--best", "mse"), end="")
    finally:
        host.send_signal(signal.SIGINT)
        host.wait(20)
    failed = [run["runId"] for run in runs if run["status"] != "Completed"]
    if failed:
        sys.exit(f"demo: not completed: {', '.join(map(str, failed))}")
    say("Three runs Completed. Look around:")
    print(f"   {os.path.relpath(RUNYARD)} --root {ROOT.name} show latest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
