"""The services of docker/compose.yaml run from unpacked images, where no Docker engine runs.

What the file and the images say is held by the kernel's own means: a read-only file system, the volumes and tmpfs,
the user, no capability, no new privileges, the network and process ids of the service `host`. Root is needed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from lab.compose import Service
    from lab.images import Image

HOST = "host"
_SECONDS = 120.0
_ROOT = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mkdir -p "$root$3"
    case "$1" in
        tmpfs) mount -t tmpfs -o mode=1777 tmpfs "$root$3" ;;
        rw|ro) mount --bind "$2" "$root$3" ;;
    esac
    [ "$1" != ro ] || mount -o remount,bind,ro "$root$3"
    shift 3
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""
"""The mounts of one container, then its command; called with: ROOT (KIND SOURCE TARGET)... -- COMMAND..."""
_LOOPBACK = """
import fcntl, socket, struct
SIOCSIFFLAGS, UP, RUNNING = 0x8914, 0x1, 0x40
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", UP | RUNNING))
"""


class Pod:
    """The services of one file on one private network; nothing of it is left after the context.

    `images` has each image a service names, unpacked.
    """

    def __init__(self, services: Mapping[str, Service], images: Mapping[str, Image]) -> None:
        self._services = services
        self._images = images
        self._home = Path(tempfile.mkdtemp(prefix="vaglio-pod-"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.push(self.__exit__)
            self.start(HOST)
            _raise_loopback(self.pid(HOST))
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, process in reversed(list(self._processes.items())):
            if process.poll() is None:
                self.kill(name)
        shutil.rmtree(self._home, ignore_errors=True)

    def up(self, *names: str) -> None:
        """Start these services and, before them, those they depend on, as far as the file asks for."""
        for name in names:
            if name in self._processes:
                continue
            for other, condition in self._services[name].after.items():
                self.up(other)
                self.wait(other, condition)
            self.start(name)

    def start(self, name: str) -> None:
        """Start a service alone, or again after its end."""
        service = self._services[name]
        image = self._images[service.image]
        entrypoint = image.entrypoint if service.entrypoint is None else service.entrypoint
        command = service.command or (image.command if service.entrypoint is None else ())
        first_of_its_ids = ("--pid", "--fork", "--kill-child")
        if name == HOST:
            namespaces = ["unshare", "--net", *first_of_its_ids]
        elif service.shares == {"network_mode", "pid"}:
            namespaces = ["nsenter", f"--target={self.pid(HOST)}", "--net", "--pid", "unshare"]
        elif service.shares == {"network_mode"}:
            namespaces = ["nsenter", f"--target={self.pid(HOST)}", "--net", "unshare", *first_of_its_ids]
        else:
            raise LabError(f"{name}: the lab runs only what shares the network of `{HOST}`")
        with (self._home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [
                    *(*namespaces, "--mount", "--propagation=private", "sh", "-c", _ROOT, "sh"),
                    *(str(image.root), *self._mounts(service, image), "--"),
                    *(*self._as_user(name), *entrypoint, *command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, name: str, condition: str) -> None:
        """Wait for what compose.yaml calls by this name; raises LabError when it cannot come any more."""
        match condition:
            case "service_started":
                return
            case "service_completed_successfully":
                if code := self.ended(name):
                    raise LabError(f"{name} exited {code}; its last words: {self.log(name)[-2000:]}")
            case "service_healthy":
                deadline = time.monotonic() + _SECONDS
                while not self.healthy(name):
                    if self._processes[name].poll() is not None or time.monotonic() > deadline:
                        told = self.log(name)[-2000:]
                        raise LabError(f"{name} did not get healthy; its last words: {told}")
                    time.sleep(0.1)
            case _:
                raise LabError(f"{name}: the lab does not know the condition {condition!r}")

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a running service's container, as its user."""
        namespaces = ["nsenter", f"--target={self.pid(name)}", "--mount", "--net", "--pid", "--root"]
        return subprocess.run(
            [*namespaces, *self._as_user(name), *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )

    def healthy(self, name: str) -> bool:
        """Whether the service's health check passes now."""
        return self.check(name).returncode == 0

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the service's health check."""
        service = self._services[name]
        health = self._images[service.image].health if service.health is None else service.health
        if health[:1] != ("CMD",):
            raise LabError(f"{name}: {health}: expected a health check that begins with CMD")
        return self.run(name, *health[1:])

    def ended(self, name: str) -> int:
        """Wait for the end of the service's main process; its exit code."""
        return self._processes[name].wait(timeout=_SECONDS)

    def stop(self, name: str) -> int:
        """Stop a service as Docker does; its exit code."""
        os.kill(self.pid(name), signal.SIGTERM)
        code = self.ended(name)
        del self._processes[name]
        return code

    def kill(self, name: str) -> None:
        """End a service without any warning."""
        os.kill(self.pid(name), signal.SIGKILL)
        self.ended(name)
        del self._processes[name]

    def pid(self, name: str) -> int:
        """The main process of a running service, as it is numbered outside."""
        outer = self._processes[name].pid
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and self._processes[name].poll() is None:
            if children := Path(f"/proc/{outer}/task/{outer}/children").read_text().split():
                return int(children[0])
            time.sleep(0.01)
        raise LabError(f"{name} does not run; its last words: {self.log(name)[-2000:]}")

    def status(self, name: str) -> dict[str, str]:
        """What the kernel says of a service's main process (/proc/PID/status)."""
        lines = Path(f"/proc/{self.pid(name)}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def log(self, name: str) -> str:
        """What a service has written to its output so far."""
        return (self._home / f"{name}.log").read_text(errors="replace")

    def _mounts(self, service: Service, image: Image) -> list[str]:
        words = []
        for target in service.tmpfs:
            words += ["tmpfs", "tmpfs", target]
        for mount in service.mounts:
            source = mount.source
            if isinstance(source, str):
                source = self._volume(source, mount.target, image)
            words += ["ro" if mount.read_only else "rw", str(source), mount.target]
        return words

    def _volume(self, name: str, target: str, image: Image) -> Path:
        """A named volume; a new one is filled with what the image has in its place, owner and rights included."""
        volume = self._home / f"volume-{name}"
        if not volume.exists():
            origin = image.root / target.lstrip("/")
            if not origin.is_dir():
                raise LabError(f"volume {name}: the image has no {target}: it would belong to root")
            subprocess.run(["cp", "-a", origin, volume], check=True, timeout=_SECONDS)
        return volume

    def _as_user(self, name: str) -> list[str]:
        service = self._services[name]
        image = self._images[service.image]
        user, group = _ids(image)
        environment = {"HOSTNAME": service.name, **image.environment, **service.environment}
        return [
            *("/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"),
            *("--inh-caps=-all", "--bounding-set=-all", "/usr/bin/env", "-i", f"--chdir={image.directory}"),
            *(f"{key}={value}" for key, value in environment.items()),
        ]


def _ids(image: Image) -> tuple[int, int]:
    """The numbers of the image's user and group; raises LabError where it would be root."""
    if image.user.replace(":", "").isdecimal():
        user, _, group = image.user.partition(":")
        found = int(user), int(group or 0)
    else:
        accounts = (line.split(":") for line in (image.root / "etc/passwd").read_text().splitlines())
        found = next((int(one[2]), int(one[3])) for one in accounts if one[0] == image.user)
    if 0 in found:
        raise LabError(f"the image's user {image.user!r} is root, or of its group")
    return found


def _raise_loopback(process: int) -> None:
    """Bring up `lo` in the network of this process, as every container has it."""
    subprocess.run(
        ["nsenter", f"--target={process}", "--net", sys.executable, "-IS", "-c", _LOOPBACK], check=True, timeout=30
    )
