"""The `plansync` command: data on stdout, talk on stderr. A verb imports what it needs, so help answers at once."""

import difflib
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from flows.endings import Exit, told_plainly
from models.enums import Crm, PullObject

app = typer.Typer(
    name="plansync",
    help="Keep customer success plans alive: pull from Salesforce and HubSpot, assess, and write plans and tasks back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
report_app = typer.Typer(help="Reports for leaders.", no_args_is_help=True)
plans_app = typer.Typer(help="Success plans as people handle them.", no_args_is_help=True)
runs_app = typer.Typer(help="What ran, and how it ended.", no_args_is_help=True)
identity_app = typer.Typer(help="Who is who.", no_args_is_help=True)
sandbox_app = typer.Typer(help="The two emulated CRMs.", no_args_is_help=True)
state_app = typer.Typer(help="What is remembered between runs.", no_args_is_help=True)
for name, group in {
    "report": report_app,
    "plans": plans_app,
    "runs": runs_app,
    "identity": identity_app,
    "sandbox": sandbox_app,
    "state": state_app,
}.items():
    app.add_typer(group, name=name)

Name = TypeVar("Name", bound=StrEnum)


def _one_of(names: type[Name]) -> Callable[[str], Name]:
    """Reads a name on the command line; a wrong one is refused with the nearest."""

    def read(text: str) -> Name:
        if text in set(names):
            return names(text)
        close = difflib.get_close_matches(text, list(names), n=1, cutoff=0.5)
        hint = f"; did you mean {str(close[0])!r}?" if close else ""
        raise typer.BadParameter(f"{text!r} is none of {', '.join(names)}{hint}")

    return read


Day = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day to assess; today by default.")
]
AssessedDay = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="A day that was assessed; the newest by default."),
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file; plansync.toml by default.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON on stdout.")]


def main() -> None:
    """Entry point of the `plansync` command."""
    for name in ("NO_PROXY", "no_proxy"):  # what is on loopback is never behind a proxy
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    app()


def say(text: str) -> None:
    """A line of talk, on stderr."""
    sys.stderr.write(text + "\n")


def tell(data: Any) -> None:
    """One line of JSON, on stdout."""
    sys.stdout.write(json.dumps(data, default=str) + "\n")


@app.command()
def run(
    as_of: Day = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="With --dry-run: exit 10 when something would be written.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run the nightly flow by hand."""
    with told_plainly():
        from flows.running import by_hand, printed

        told = by_hand(as_of.date() if as_of else None, is_dry=dry_run, config=config)
        tell(told) if as_json else say(printed(told))
        raise typer.Exit(_ending(told, is_detailed=detailed_exitcode and dry_run))


def _ending(told: dict[str, Any], *, is_detailed: bool) -> int:
    failed = {trouble["part"] for trouble in told["troubles"]}
    if failed >= {f"{crm} pull" for crm in told["pulled"]}:
        return Exit.ENVIRONMENT
    if told["status"] != "ok":
        return Exit.DEGRADED
    has_changes = any(told["changes"][action] for action in ("create", "update", "close"))
    return Exit.PENDING if is_detailed and has_changes else Exit.DONE


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=1, max=50_000, help="Size of the sample portfolio.")] = 120,
    seed: Annotated[int, typer.Option(help="Another seed tells other stories.")] = 7,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files; made anew.")] = Path("demo"),
    as_json: Json = False,
) -> None:
    """The nightly run on two emulated CRMs, twice: the second run finds nothing to write."""
    with told_plainly():
        from flows.demo import demonstrate

        told = demonstrate(folder, customers=customers, seed=seed, say=say)
        if as_json:
            tell(told)
        is_quiet = not any(told["second"]["changes"][action] for action in ("create", "update", "close"))
        is_ok = is_quiet and told["first"]["status"] == told["second"]["status"] == "ok"
        raise typer.Exit(Exit.DONE if is_ok else Exit.DEGRADED)


@app.command()
def init(
    config: Annotated[Path, typer.Option("--config", help="The file to write.")] = Path("plansync.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Propose settings: which fields of your CRMs hold ARR, renewal date, tier, segment and owner."""
    with told_plainly():
        from flows.setup import write_settings

        say(write_settings(config, force=force))


@app.command()
def doctor(
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on warnings, too: rights beyond what is needed, key mode b.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check access, rights, field mapping, key mode, store, policy and files; say how to mend what fails."""
    with told_plainly():
        from flows.setup import as_json as as_data
        from flows.setup import findings, printed

        found = findings(config)
        if as_json:
            tell([as_data(each) for each in found])
        for each in () if as_json else found:
            say(printed(each))
        failed = {each.check for each in found if not each.is_ok or (strict and each.is_warning)}
        invalid = (
            Exit.INVALID if failed <= {"policy", "store", "CRMs", "usage files", "surveys files"} else Exit.ENVIRONMENT
        )
        raise typer.Exit(invalid if failed else Exit.DONE)


@app.command()
def provision(  # noqa: PLR0917  # each is an option, given by name
    crm: Annotated[Crm, typer.Argument(help="Which CRM.", parser=_one_of(Crm), metavar="salesforce|hubspot")],
    check: Annotated[
        bool, typer.Option("--check", help="Only compare; exit 10 when something is missing, 6 when something differs.")
    ] = False,
    package: Annotated[
        Path | None,
        typer.Option("--package", help="Salesforce: write a project for `sf project deploy start` here instead."),
    ] = None,
    assign: Annotated[
        str | None, typer.Option("--assign", help="Salesforce: user name of who gets the permission set.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show and make the objects, fields, keys and permissions that plansync needs; change nothing that is there."""
    with told_plainly():
        from flows.provision_crm import provisioned, write_package

        if crm is Crm.HUBSPOT and (package or assign):
            raise typer.BadParameter("--package and --assign are for salesforce")
        if package:
            if check or assign or config:
                raise typer.BadParameter("--package asks no org: it goes with --json alone")
            written = write_package(package)
            tell(written.as_json()) if as_json else say(written.printed())
            return
        done = provisioned(crm, config, is_check=check, assignee=assign, say=say)
        if as_json:
            tell(done.as_json())
        raise typer.Exit(done.ending)


@report_app.command("renewal-risk")
def renewal_risk(
    as_of: AssessedDay = None,
    folder: Annotated[
        Path | None, typer.Option("-o", "--folder", help="Where to write; the settings' by default.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The renewal-risk report, as HTML and XLSX, from what the last run concluded."""
    with told_plainly():
        from flows.reporting import reports_by_hand

        paths = [str(path) for path in reports_by_hand(as_of.date() if as_of else None, folder, config)]
        tell({"reports": paths}) if as_json else say("\n".join(paths))


@plans_app.command("import")
def import_plans(files: list[Path], config: Config = None) -> None:
    """Take goals, outcomes, milestones, stakeholders, risks and actions from YAML files."""
    with told_plainly():
        from flows.plans import import_files

        say(import_files(files, config))


@plans_app.command("show")
def show_plan(customer: str, config: Config = None) -> None:
    """A customer's plan as it stands in the CRM."""
    with told_plainly():
        from flows.plans import shown

        sys.stdout.write(shown(customer, config) + "\n")


@app.command()
def explain(customer: str, as_of: AssessedDay = None, config: Config = None, as_json: Json = False) -> None:
    """Why: every signal, the score, the renewal date and the tasks of one customer, with rules and sources."""
    with told_plainly():
        from flows.explaining import explained, explained_as_text

        told = explained(customer, as_of.date() if as_of else None, config)
        tell(told) if as_json else sys.stdout.write(explained_as_text(told) + "\n")


@app.command()
def errors(
    run_id: Annotated[str | None, typer.Option("--run", help="A run; the newest by default.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Records that were set aside and writes that a CRM refused, each with its reason."""
    with told_plainly():
        from flows.history import listed_errors

        rows = listed_errors(run_id, config)
        tell(rows) if as_json else say(_table(rows) if rows else "nothing was set aside")


@runs_app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, config: Config = None, as_json: Json = False
) -> None:
    """The newest runs first."""
    with told_plainly():
        from flows.history import listed_runs

        rows = listed_runs(limit, config)
        tell(rows) if as_json else say(_table(rows) if rows else "no run yet")


@identity_app.command("review")
def review(config: Config = None, as_json: Json = False) -> None:
    """Pairs of accounts that may be one firm and that no rule may link."""
    with told_plainly():
        from flows.history import listed_reviews

        rows = listed_reviews(config)
        tell(rows) if as_json else say(_table(rows) if rows else "nothing to review")


@identity_app.command("decide")
def decide(
    left: Annotated[str, typer.Argument(help="crm:id, as `identity review` prints it")],
    right: Annotated[str, typer.Argument(help="crm:id")],
    same: Annotated[bool, typer.Option("--same/--different", help="One firm, or two.")],
    by: Annotated[str, typer.Option(help="Who decides.")],
    config: Config = None,
) -> None:
    """Say whether two accounts are one firm; the next run follows."""
    with told_plainly():
        from flows.history import decide_identity

        say(decide_identity(left, right, is_same=same, decided_by=by, config=config))


@sandbox_app.command("serve")
def serve_sandbox(  # noqa: PLR0917  # each is an option, given by name
    salesforce_port: Annotated[int, typer.Option(help="0 picks a free one.")] = 0,
    hubspot_port: Annotated[int, typer.Option(help="0 picks a free one.")] = 0,
    state: Annotated[Path | None, typer.Option(help="Keep the CRMs' state in this file.")] = None,
    customers: Annotated[int | None, typer.Option(min=1, help="Fill with a sample portfolio of this size.")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Begin with no customers.")] = False,
    bare: Annotated[bool, typer.Option("--bare", help="Begin without what `plansync provision` makes.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the sample portfolio.")] = 7,
    as_of: Day = None,
    files: Annotated[
        Path | None, typer.Option(help="Write the portfolio's usage and survey files into this folder.")
    ] = None,
) -> None:
    """Serve both CRMs on loopback until stopped; prints one line of JSON when ready."""
    with told_plainly():
        from integrations.sandbox.serve import serve

        if empty == (customers is not None):
            raise typer.BadParameter("give either --customers N or --empty")
        serve(
            salesforce_port=salesforce_port,
            hubspot_port=hubspot_port,
            state_path=state,
            customers=customers,
            bare=bare,
            seed=seed,
            as_of=as_of.date() if as_of else None,
            files=files,
        )


@state_app.command("reset")
def reset_state(
    crm: Annotated[Crm, typer.Option(help="Which CRM.", parser=_one_of(Crm), metavar="salesforce|hubspot")],
    object: Annotated[
        PullObject,
        typer.Option(help="accounts, contacts, ... as an error names it", parser=_one_of(PullObject), metavar="OBJECT"),
    ],
    config: Config = None,
) -> None:
    """Forget how far one object of one CRM was read: the next run reads all of it again. Records stay."""
    with told_plainly():
        from flows.history import forget_watermark

        say(forget_watermark(crm, object, config))


def _table(rows: list[dict[str, Any]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0].keys())
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console = Console(file=open(os.devnull, "w"), record=True, width=160)  # noqa: SIM115
    console.print(table)
    return console.export_text()
