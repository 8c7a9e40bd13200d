"""``python -m demo [--once] [--picture FILE]``: the loop from a live fault to a firing alert."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from . import sights
from .stagehand import Stage, stage

SERVICE = "checkout"


class Narrator:
    """Says what happens and how long it took; everything said can be kept as a picture."""

    def __init__(self, picture: Path | None) -> None:
        self.console = Console(record=picture is not None, width=132, highlight=False)
        self.picture = picture
        self.began = time.monotonic()

    def step(self, text: str) -> None:
        """One line of progress, with the seconds since the start."""
        self.console.print(f"[dim]{time.monotonic() - self.began:6.1f} s[/]  {text}")

    def show(self, command: str, output: str) -> None:
        """What a user would type, and what they would see."""
        self.console.print(f"\n[bold cyan]$ {command}[/]")
        self.console.print(output.rstrip(), markup=False)

    def save(self) -> None:
        """Write the picture, if one was asked for."""
        if self.picture is not None:
            self.picture.parent.mkdir(parents=True, exist_ok=True)
            drawing = self.console.export_svg(title="make demo")
            # the reader's own monospace font does; a picture should load nothing
            self.picture.write_text(re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL))


def kubectl_shown(narrator: Narrator, scene: Stage, *arguments: str) -> None:
    """Run kubectl and show it."""
    narrator.show("kubectl " + " ".join(arguments), scene.cluster.kubectl(*arguments))


def play(scene: Stage, narrator: Narrator) -> None:
    """The story; raises ``NotSeen`` at the first thing that does not show."""
    cluster = scene.cluster
    count = sights.wait_for("every resource Ready", sights.all_ready(cluster), 120)
    narrator.step(f"{count} resources are Ready")
    sights.wait_for("the owned rules loaded", sights.all_loaded(cluster), 60)
    thresholds = sights.wait_for("recorded thresholds in Prometheus", sights.recorded_thresholds(cluster), 60)
    narrator.step(f"Prometheus has recorded {len(thresholds)} thresholds learned from two weeks of history")
    kubectl_shown(narrator, scene, "get", "metricssources")
    kubectl_shown(narrator, scene, "get", "anomalydetectors,thresholdpolicies", "-n", "shop")
    rows = [f"{labels.get('policy'):<18} {labels.get('service', ''):<12} {value:.6g}" for labels, value in thresholds]
    narrator.show("promtool query instant … opssight:threshold", "\n".join(sorted(rows)))
    narrator.console.print()
    narrator.step(f"now a fault: the latency of {SERVICE} rises fivefold")
    began = time.monotonic()
    sights.post(f"{scene.shop_url}/fault?service={SERVICE}&kind=latency")
    name, anomaly = sights.wait_for("an open anomaly of the service", sights.open_anomaly(cluster, SERVICE), 240)
    narrator.step(f"detector {name} says so, {time.monotonic() - began:.0f} s after the fault")
    narrator.show(
        f"kubectl get adet {name} -n shop -o jsonpath={{.status.anomalies[0]}}",
        "\n".join(f"{key}: {value}" for key, value in anomaly.items()),
    )
    note = sights.wait_for("the Event", sights.started_event(cluster), 30)
    narrator.show("kubectl get events -n shop --field-selector reason=AnomalyStarted", note)
    labels = sights.wait_for("the alert firing in Prometheus", sights.firing_alert(cluster, SERVICE), 300)
    shown = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    narrator.show("curl …/api/v1/alerts", f"firing: {shown}")
    narrator.console.print()
    narrator.step(f"the alert fires, {time.monotonic() - began:.0f} s after the fault")
    kubectl_shown(narrator, scene, "get", "anomalydetectors", "-n", "shop")
    narrator.console.print()
    sights.ask_for_report(cluster, "just-now", "1h")
    text = sights.wait_for("a report that names the service", sights.report_on(cluster, "just-now", SERVICE), 60)
    narrator.step("and a report on the last hour, for those who were not there")
    narrator.show("kubectl opssight report show just-now -n shop", text)


def linger(scene: Stage, narrator: Narrator) -> None:
    """Keep everything running for a person to look around, until Ctrl-C."""
    narrator.console.print(
        f"\nEverything keeps running until Ctrl-C.\n"
        f"  export KUBECONFIG={scene.cluster.kubeconfig}\n"
        f"  Prometheus        {scene.cluster.prometheus_url}\n"
        f"  operator metrics  {scene.metrics_url}\n"
        f"  the shop          {scene.shop_url}   (curl -X DELETE '{scene.shop_url}/fault' ends the fault)\n"
    )
    while scene.operator.poll() is None:
        time.sleep(1)
    raise sights.NotSeen("the operator ended by itself")


def main() -> int:
    """Exit status 0 only when everything was seen."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="exit as soon as everything was seen")
    parser.add_argument("--picture", type=Path, help="keep what was shown as an SVG")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has switched Ctrl-C off for its background
        signal.signal(number, signal.default_int_handler)
    narrator = Narrator(options.picture)
    with tempfile.TemporaryDirectory(prefix="opssight-demo-") as work:
        try:
            with stage(Path(work), narrator.step) as scene:
                try:
                    play(scene, narrator)
                except sights.NotSeen:
                    tail = scene.operator_log.read_text(errors="replace").splitlines()[-15:]
                    narrator.console.print("The last lines of the operator's log:", *tail, sep="\n", markup=False)
                    raise
                narrator.save()
                if not options.once:
                    linger(scene, narrator)
        except KeyboardInterrupt:
            narrator.console.print("\nstopped; nothing is left behind")
        except sights.NotSeen as missing:
            narrator.console.print(f"FAILED: {missing}", markup=False)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
