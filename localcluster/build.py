"""Build what is missing, once, into the cache; one build at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from . import apt, toolchain
from .components import Component, cache_root, providing, select
from .errors import ClusterError


class Progress:
    """Says what is being done and for how long: a live line on a terminal, else a line every ten seconds."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.step = ""
        self.began = time.monotonic()
        self._last = 0.0

    def start(self, step: str) -> None:
        """A new step."""
        self.step, self.began, self._last = step, time.monotonic(), time.monotonic()
        if not self.live:
            self.say(step)

    def tick(self, detail: str = "") -> None:
        """Still at it."""
        now = time.monotonic()
        if now - self._last < (1.0 if self.live else 10.0):
            return
        self._last = now
        text = f"{self.step}  {now - self.began:4.0f} s{'  ' + detail if detail else ''}"
        if self.live:
            print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
        else:
            self.say(text)

    def done(self, result: str) -> None:
        """The step is over."""
        self.say(f"{self.step}  {time.monotonic() - self.began:4.0f} s  {result}")

    def say(self, text: str) -> None:
        """One line that stays."""
        print(f"\r\033[K{text}" if self.live else text, file=sys.stderr, flush=True)


def folder(component: Component) -> Path:
    """Where the programs of a component are, once built."""
    return cache_root() / "bin" / component.key(toolchain.version())


def is_built(component: Component) -> bool:
    """Folders appear under their name only when complete."""
    return folder(component).is_dir()


def program(name: str) -> Path:
    """The path of a program; raises ``ClusterError`` saying what to run when it is not built."""
    component = providing(name)
    path = folder(component) / name
    if not path.exists():
        extra = f" --with {component.name}" if component.optional else ""
        raise ClusterError(f"{name} is not built: run `python -m localcluster build{extra}`")
    return path


def build(extra: Iterable[str] = ()) -> None:
    """Build every missing component. One that only some tests need (``apt``) may fail, loudly, without the others."""
    components = select(extra)
    progress = Progress()
    with one_at_a_time(progress):
        missing = [component for component in components if not is_built(component)]
        for number, component in enumerate(missing, start=1):
            progress.start(f"[{number}/{len(missing)}] {component.name} {component.version}")
            try:
                _build(component, progress)
            except ClusterError as problem:
                if component.how != "apt":
                    raise
                progress.say(f"{progress.step}: NOT AVAILABLE. Whatever asks for it will fail.\n{problem}")


@contextlib.contextmanager
def one_at_a_time(progress: Progress) -> Iterator[None]:
    """Hold the lock of the cache; another build is waited for, with a word about it."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "build.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            progress.start(f"waiting for another build (pid {lock.read().strip() or 'unknown'})")
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    time.sleep(0.2)
                    progress.tick()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _build(component: Component, progress: Progress) -> None:
    final = folder(component)
    fresh = final.with_name(final.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    if component.how == "apt":
        apt.unpack(component, fresh, cache_root() / "apt")
    else:
        go = toolchain.find(progress.say)
        for name, package in component.programs.items():
            _compile(component, name, package, go, fresh, progress)
        for source in component.folders:
            _copy_folder(_module_folder(component, go) / source, fresh / Path(source).name)
    for alias, target in component.aliases.items():
        (fresh / alias).symlink_to(target)
    fresh.rename(final)
    size = sum(path.stat().st_size for path in final.rglob("*") if path.is_file() and not path.is_symlink())
    progress.done(f"done, {size / 1e6:.0f} MB: {', '.join(component.names)}")


def _compile(
    component: Component, name: str, package: str, go: toolchain.Toolchain, target: Path, progress: Progress
) -> None:
    flags = ["-v", "-trimpath", "-ldflags", component.ldflags, *(["-tags", component.tags] if component.tags else [])]
    environment = go.environment()
    if component.how == "module":
        source = component.sources()[0].parent
        command = [go.go, "build", "-mod=readonly", *flags, "-o", str(target / name), package]
        _run(command, source, environment, progress)
        return
    environment["GOBIN"] = str(target)
    _run([go.go, "install", *flags, f"{package}@{component.version}"], target, environment, progress)


def _run(argv: Sequence[str], folder: Path, environment: dict[str, str], progress: Progress) -> None:
    """Run the compiler; it prints each package that it compiles, which is the progress shown."""
    process = subprocess.Popen(argv, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
    said: deque[str] = deque(maxlen=30)
    compiled = 0

    def listen() -> None:
        nonlocal compiled
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line.rstrip())
            compiled += not line.startswith("go: ")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        while process.poll() is None:
            time.sleep(0.1)
            progress.tick(f"{compiled} packages compiled" + (f", {said[-1][:60]}" if said else ""))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        listener.join(5)
        assert process.stderr is not None
        process.stderr.close()
    if process.returncode != 0:
        raise ClusterError(f"{' '.join(argv[:2])} failed in {folder}:\n" + "\n".join(said))


def _module_folder(component: Component, go: toolchain.Toolchain) -> Path:
    listed = subprocess.run(
        [go.go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", component.module],
        cwd=component.sources()[0].parent,
        env=go.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise ClusterError(f"go list -m {component.module} failed:\n{listed.stderr.strip()}")
    return Path(listed.stdout.strip())


def _copy_folder(source: Path, target: Path) -> None:
    """Copy the files alone: the module cache is read-only, its copy must be removable."""
    target.mkdir()
    for path in source.iterdir():
        shutil.copyfile(path, target / path.name)
