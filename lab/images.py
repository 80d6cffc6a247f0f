"""The images of docker/, built and unpacked by buildah where no Docker engine runs.

Their bases are made on this machine: nothing is pulled. What pip needs to reach its index from here is lent to the
build and stays out of the images.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab.errors import BuildahUnavailable, LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

TREE = Path(__file__).resolve().parent.parent
_BUILD_SECONDS = 1200
_LENT = Path("/run/lent-to-pip")


@dataclass(frozen=True, slots=True)
class Image:
    """An image unpacked in a directory, and what it says about how it is run."""

    root: Path
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    directory: str
    health: tuple[str, ...]
    """The words of its health check, the first of them `CMD`; empty without one."""


class Images:
    """A store of images, gone with all that is in it at the end of the context.

    Entering raises BuildahUnavailable where there is no buildah, or no root.
    """

    def __init__(self) -> None:
        self._home = Path()
        self._driver = "overlay"

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or shutil.which("buildah") is None:
            raise BuildahUnavailable("images are built by buildah as root: run `make parts` as root")
        self._home = Path(tempfile.mkdtemp(prefix="vaglio-images-"))
        (self._home / "tmp").mkdir()
        try:
            self._buildah("info")
        except LabError:
            self._driver = "vfs"  # not every file system can lie below an overlay; copies can lie on any
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for path in reversed([path for path in mounted if path.startswith(f"{self._home}/")]):
            subprocess.run(["umount", path], check=True, timeout=60)
        shutil.rmtree(self._home)

    def take(self, name: str, rootfs: Path) -> None:
        """Make an image of a root file system, to be the base of others.

        It may be in use: what lies in its /tmp is left out.
        """
        container = self._buildah("from", "scratch").strip()
        target = Path(self._buildah("mount", container).strip())
        parts = [part for part in rootfs.iterdir() if part.name not in {"tmp", "proc", "sys"}]
        subprocess.run(["cp", "-a", *parts, target], check=True, timeout=_BUILD_SECONDS)
        for empty, mode in (("tmp", 0o1777), ("proc", 0o555), ("sys", 0o555)):
            (target / empty).mkdir()
            (target / empty).chmod(mode)
        self._buildah("commit", "--quiet", "--disable-compression", "--rm", container, f"localhost/{name}")

    def build(self, name: str, dockerfile: Path, base: str) -> None:
        """Build from the root of the tree, with `base` for the Dockerfile's own BASE."""
        volumes = [option for volume in self._for_pip for option in ("--volume", volume)]
        self._buildah(
            *("build", "--isolation", "chroot", "--format", "docker", "--layers=false", "--pull-never"),
            *volumes,
            *("--build-arg", f"BASE=localhost/{base}", "--file", str(dockerfile), "--tag", f"localhost/{name}"),
            str(TREE),
        )

    def unpack(self, name: str) -> Image:
        """Unpack an image once more, to be run from there."""
        container = self._buildah("from", "--pull-never", f"localhost/{name}").strip()
        root = Path(self._buildah("mount", container).strip())
        config = json.loads(self._buildah("inspect", container))["Docker"]["config"]
        return Image(
            root=root,
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            environment=dict(pair.split("=", 1) for pair in config.get("Env") or ()),
            user=config.get("User") or "",
            directory=config.get("WorkingDir") or "/",
            health=tuple((config.get("Healthcheck") or {}).get("Test") or ()),
        )

    @cached_property
    def _for_pip(self) -> list[str]:
        """Volumes with what tells pip on this machine how to reach its index, and with pip's cache.

        Directories of packages on this machine's disk are left out.
        """
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        settings, volumes = {}, []
        # The environment's settings come last in pip's list, and override the files'.
        for line in _asked([*pip, "config", "list"]).splitlines():
            key, _, quoted = line.partition("=")
            name, value = key.rpartition(".")[2], quoted.strip("'")
            if name in {"cert", "client-cert"}:
                volumes.append(f"{Path(value).resolve()}:{_LENT / name}:ro")
                settings[name] = str(_LENT / name)
            elif name in {"index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "default-timeout"}:
                settings[name] = " ".join(word for word in value.split() if not word.startswith(("file:", "/")))
        configuration = self._home / "pip.conf"
        lines = (f"{name} = {value}" for name, value in settings.items() if value)
        configuration.write_text("\n".join(["[global]", *lines, ""]))
        cache = Path(_asked([*pip, "cache", "dir"]).strip())
        cache.mkdir(parents=True, exist_ok=True)
        return [f"{configuration}:/etc/pip.conf:ro", f"{cache}:/root/.cache/pip", *dict.fromkeys(volumes)]

    def _buildah(self, *arguments: str) -> str:
        directories = ["--root", str(self._home / "store"), "--runroot", str(self._home / "run")]
        command = ["buildah", *directories, "--storage-driver", self._driver, *arguments]
        return _asked(command, {**os.environ, "TMPDIR": str(self._home / "tmp")})


def _asked(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
