"""Lets the real node_exporter collect a metrics file, and reads what it then serves."""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

report = pathlib.Path(sys.argv[1], "report.prom")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def metrics(port, exporter):
    """What it serves, as soon as it does."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert exporter.poll() is None, "node_exporter has ended"
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        except urllib.error.URLError:
            time.sleep(0.05)
    raise TimeoutError


with tempfile.TemporaryDirectory() as folder:
    shutil.copy(report, folder)
    port = free_port()
    arguments = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}",
                 f"--web.listen-address=127.0.0.1:{port}"]
    exporter = subprocess.Popen(["prometheus-node-exporter", *arguments])
    try:
        served = metrics(port, exporter)
    finally:
        exporter.kill()
        exporter.wait()
assert "node_textfile_scrape_error 0" in served, served
samples = [line for line in report.read_text().splitlines() if not line.startswith("#")]
names = {sample.split("{")[0].split(" ")[0] for sample in samples}
assert names and all(f"\n{name}" in served for name in names), names
for name in names:
    wanted = sum(sample.startswith(name + ("{" if "{" in sample else " ")) for sample in samples)
    found = sum(line.startswith((name + "{", name + " ")) for line in served.splitlines())
    assert found == wanted, (name, wanted, found)
