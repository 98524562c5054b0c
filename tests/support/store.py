"""Stores of objects on this machine: servers of their own that speak as Amazon's or Google's."""

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEYS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "2",
}


@dataclass(frozen=True)
class Bucket:
    """A bucket, as another client than ours sees it."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        """The bucket's URL."""
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> None:
        """Makes an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def put_folder(self, folder: Path, under: str) -> None:
        """Makes an object of each file of a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{under}/{file.relative_to(folder)}", file.read_bytes())

    def marks(self, under: str = "") -> dict[str, tuple[str, Any]]:
        """Mark and time of each object."""
        pages = self.client.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.name, Prefix=under)
        return {
            item["Key"]: (item["ETag"], item["LastModified"])
            for page in found
            for item in page.get("Contents", ())
        }

    def get(self, key: str) -> bytes:
        """An object."""
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def results(self, under: str = "out") -> dict[str, bytes]:
        """All objects of a folder but ours, by their names below it."""
        names = [key.removeprefix(f"{under}/") for key in self.marks(f"{under}/")]
        return {n: self.get(f"{under}/{n}") for n in names if not n.startswith(".editkit")}

    def unfinished(self) -> list[Any]:
        """Uploads that were begun, and neither completed nor given up."""
        return self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])


@contextmanager
def served(*, google: bool = False) -> Generator[str]:
    """The address of a server, which is there for as long as it is wanted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    if google:
        options = ["--host=127.0.0.1", f"--port={port}", "--in-memory", "--default-bucket=photos"]
        command = [sys.executable, "-m", "gcp_storage_emulator", "start", *options]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(("127.0.0.1", port), server)
            yield address
        finally:
            server.kill()


def _wait_for(where: tuple[str, int], server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None
        with suppress(OSError), socket.create_connection(where, timeout=5):
            return
        time.sleep(0.1)
    raise TimeoutError(where)


def environment(address: str) -> Mapping[str, str]:
    """What tells every client where the store is, and who we are."""
    return {**KEYS, "AWS_ENDPOINT_URL": address}


@contextmanager
def bucket(address: str) -> Generator[Bucket]:
    """A new bucket of a server."""
    import boto3

    client: Any = boto3.client("s3", endpoint_url=address)
    name = f"photos-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=name)
    try:
        yield Bucket(name, client)
    finally:
        client.close()
