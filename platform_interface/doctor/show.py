"""What the doctor says on a terminal. Names from a platform are data, never markup."""

from __future__ import annotations

import json

from rich.table import Table
from rich.text import Text

from platform_interface.doctor.examine import Examination
from platform_interface.doctor.findings import MAPPING, Finding
from platform_interface.log import redact, shown
from platform_interface.show import console, unit_word

NONE = "nothing contradicts the mapping"
NOTHING_THERE = "no sample of a known sensor lies on the platform, so nothing can be said"
APPLIED = "Nothing was changed. A proposal is for you to weigh: paste it, then run doctor again."


def show_examination(result: Examination, as_json: bool) -> None:
    """Print findings and proposals, as a table or as JSON."""
    if as_json:
        print(redact(json.dumps(result.as_dict(), indent=1, ensure_ascii=False)))
        return
    out = console()
    some = f"{result.days} of {result.of_days} days" if result.days < result.of_days else f"{result.days} days"
    out.print(Text(f"{result.asset}: {len(result.sensors)} sensors, {some}, {result.values:,} values"))
    if not result.findings and not result.values:
        out.print(Text(NOTHING_THERE, style="yellow"))
        return
    if not result.findings:
        out.print(Text(NONE, style="green"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "check", "sensor", "figure", "evidence"):
        table.add_column(heading, justify="right" if heading in ("figure", "evidence") else "left", no_wrap=heading == "check")
    for number, finding in enumerate(result.findings, 1):
        table.add_row(
            str(number), finding.check, Text(shown(finding.sensor)), _figure(finding), f"{finding.count:,} of {finding.of:,}"
        )
    out.print(table)
    for number, finding in enumerate(result.findings, 1):
        out.print(Text(f"\n{number:>3} ", style="dim") + Text(shown(finding.text)))
        for line in proposal_lines(finding):
            out.print(Text(f"    {shown(line)}"), soft_wrap=True)
    out.print(Text(f"\n{APPLIED}", style="bold"))


def _figure(finding: Finding) -> str:
    return "" if finding.value is None else f"{finding.value:.4g} {unit_word(finding.unit)}".rstrip()


def proposal_lines(finding: Finding) -> list[str]:
    """Return what a person may paste, line by line; nothing where there is no proposal."""
    proposal = finding.proposal
    if proposal is None:
        return []
    where = "in the mapping file of ingest" if proposal.file == MAPPING else "in settings.json, under parameters"
    lead = f"proposal, {where}:" if not proposal.condition else f"proposal, {where}. {proposal.condition}"
    return [lead, *json.dumps(proposal.change, indent=2, ensure_ascii=False).splitlines()]
