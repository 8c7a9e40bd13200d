"""The commands ``opssight report ...``; what they work with is imported when they run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .errors import BadInput

Option = typer.Option

reports = typer.Typer(
    name="report",
    help="What happened: reports that a cluster keeps, and reports on a table or on Prometheus.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Form(StrEnum):
    """How a report is written."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


class ListForm(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Format = Annotated[Form, Option("--format", "-f", help="How it is written.", case_sensitive=False)]
Namespace = Annotated[str | None, Option("--namespace", "-n", help="The namespace, instead of kubectl's.")]
Context = Annotated[str | None, Option(help="The context of the kubeconfig, instead of the current one.")]
OutFile = Annotated[Path | None, Option("--output-file", metavar="FILE", help="Write it there, not to the terminal.")]


@reports.command()
def show(
    name: Annotated[str, typer.Argument(help="The PatternReport.")],
    namespace: Namespace = None,
    report: Annotated[str | None, Option(help="A ConfigMap of the list, instead of the newest report.")] = None,
    form: Format = Form.MARKDOWN,
    output_file: OutFile = None,
    context: Context = None,
) -> None:
    """Print a report that a PatternReport has made.

    \b
    kubectl opssight report show morning -n shop
    opssight report show morning -n shop --format html --output-file morning.html
    opssight report show morning -n shop --report opssight-prep-morning-20260105-0600

    Exits with 0, and with 2 when there is no such report or no such cluster.
    """
    from . import kept_reports

    text = kept_reports.shown(name, kept_reports.Place(context, namespace), form=form.value, which=report)
    _out(text, output_file)


@reports.command("list")
def list_reports(
    namespace: Namespace = None,
    all_namespaces: Annotated[bool, Option("--all-namespaces", "-A", help="Those of all namespaces.")] = False,
    output: Annotated[
        ListForm, Option("--output", "-o", help="How it is written.", case_sensitive=False)
    ] = ListForm.TABLE,
    context: Context = None,
) -> None:
    """List the reports that are kept, the newest first.

    \b
    opssight report list -n shop
    opssight report list -A -o json
    """
    from . import kept_reports, writing

    found = kept_reports.listed(kept_reports.Place(context, namespace, all_namespaces))
    typer.echo(writing.written(output.value, found, kept_reports.as_table(found)))


@reports.command()
def run(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Incidents as CSV, JSON, JSON lines or Parquet; - is stdin.")
    ] = None,
    prometheus: Annotated[str | None, Option(metavar="URL", help="Read the alerts that fired there instead.")] = None,
    namespace: Annotated[str | None, Option("--namespace", "-n", help="Of Prometheus, this namespace alone.")] = None,
    matcher: Annotated[list[str] | None, Option(metavar='NAME="VALUE"', help="Alerts must have this label.")] = None,
    history: Annotated[str, Option(help="Of Prometheus, how much before that says what is usual.")] = "28d",
    step: Annotated[str, Option(help="Of Prometheus, how often it is looked whether an alert fired.")] = "1m",
    token_file: Annotated[Path | None, Option(metavar="FILE", help="A bearer token for Prometheus.")] = None,
    column: Annotated[
        list[str] | None, Option(metavar="FIELD=COLUMN", help="Which column of the table holds start, message, ...")
    ] = None,
    lookback: Annotated[str, Option(help="How much time the report is about.")] = "24h",
    end: Annotated[
        str | None, Option(help="When that time ends.", show_default="now; of a table, behind its newest incident")
    ] = None,
    time_zone: Annotated[str, Option(help="Of the report, and of times without an offset.")] = "UTC",
    title: Annotated[str, Option(help="Its heading.")] = "Pattern report",
    section: Annotated[list[str] | None, Option(help="A section that is wanted, such as HourOfDay; else all.")] = None,
    level: Annotated[float, Option(help="The share of reports on chance alone that may make any claim.")] = 0.05,
    min_support: Annotated[int, Option(help="How many incidents a finding must rest on.", min=1)] = 1,
    previous: Annotated[Path | None, Option(metavar="FILE", help="The JSON of a report to compare with.")] = None,
    form: Format = Form.MARKDOWN,
    output_file: OutFile = None,
) -> None:
    """Make a report from a table of incidents, or from the alerts of a Prometheus.

    \b
    opssight report run incidents.csv --lookback 7d
    opssight report run tickets.jsonl --column start=opened --column message=summary -f html --output-file out.html
    opssight report run --prometheus http://localhost:9090 -n shop --time-zone Europe/Berlin

    A table needs a start; resource type, severity and message make the report useful. What is older than --lookback
    says what is usual. Exits with 0, and with 2 when the input is bad.
    """
    if (file is None) == (prometheus is None):
        raise BadInput("give a FILE of incidents or --prometheus URL, and not both")
    from . import reporting

    asked = reporting.Asked(lookback, end, time_zone, title, tuple(section or ()), level, min_support, previous)
    if file is not None:
        made, zone = reporting.from_table(file, column or [], asked)
    else:
        matchers = tuple(matcher or ())
        source = reporting.Prometheus(str(prometheus), history, namespace, matchers, step, token_file)
        made, zone = reporting.from_prometheus(source, asked)
    _out(reporting.text_of(made, zone, form.value), output_file)


def _out(text: str, file: Path | None) -> None:
    if file is None:
        typer.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}") from None
