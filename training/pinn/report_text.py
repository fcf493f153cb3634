"""The words around the tables of the results page."""

from __future__ import annotations

from typing import Any


def of(records: list[dict[str, Any]], row: str) -> list[dict[str, Any]]:
    """Return the records of a row."""
    return [one for one in records if one["row"] == row]


def mesh_sentence(records: list[dict[str, Any]]) -> str:
    """Tell how good the truth itself is."""
    found = of(records, "mesh")
    if not found:
        return "The truth's own mesh error was not measured yet (`python -m training.pinn.evaluate mesh`)."
    summary, runs = found[0]["summary"], found[0]["runs"]
    margin = max(float(run["margin"]) for run in runs)
    return (
        f"The truth on 20 points differs from itself on 40 by {summary['negative']:.1f} / {summary['positive']:.1f} mol/m³ over "
        f"{len(runs)} profiles, and by up to {margin:.2f} mV in anode potential. Errors below that are not claimed."
    )


def speed_lines(records: list[dict[str, Any]]) -> list[str]:
    """Tell the times."""
    found = of(records, "speed")
    if not found:
        return ["Not measured yet: `python -m training.pinn.speed --keep`."]
    got = found[0]["summary"]
    network, what = got["network"], "1 hour at 5 s, fields of both electrodes, onnxruntime, 1 thread"
    lines = [
        "| what | value | required | aim |",
        "|---|---|---|---|",
        f"| {what}: median of {network['repeats']} | {network['fields']['median']:.1f} ms | 15 ms | 8 ms |",
        f"| the same, least | {network['fields']['least']:.1f} ms | | |",
        f"| the same, CPU time | {network['fields']['cpu']:.1f} ms | | |",
    ]
    if "data_only" in got:
        lines.append(f"| data-only baseline, median | {got['data_only']['fields']['median']:.1f} ms | | |")
    if "solver" in got:
        lines += [
            f"| the same hour at 1 Hz by IDAKLU's DFN, same process, solving only, CPU | {got['solver']['cpu']:.1f} s | | |",
            f"| the same with building the model | {got['solver']['first_call_cpu']:.1f} s | | |",
            f"| ratio: solving ÷ (binning + network), CPU | {got['ratio']:.0f} | 500 | 1000 |",
        ]
    lines += [
        "",
        f"Load of the machine before and after: {got['load_before']} and {got['load_after']} on {got['cores']} cores.",
    ]
    lines.append("The network sees the hour in bins of 5 s with the spread of the current within each; the solver sees 1 Hz.")
    return lines


def sei_lines(records: list[dict[str, Any]]) -> list[str]:
    """Tell the errors of the SEI, by condition."""
    found = [one for one in of(records, "sei") if one["variant"] == "shipped"]
    if not found:
        return ["Not run: `python -m training.pinn.evaluate sei`."]
    lines = [
        "| temperature and window of charge | truth | cycles | lost, Ah | network, lost | thickness | SPMe, lost | √t clock, lost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        for run in one["runs"]:
            errors = run["errors"]
            cells = [run["condition"], one["truth"], run["cycles"], f"{run['lost_ampere_hour']:.3f}"]
            cells += [f"{errors['network'][name]:.2f} %" for name in ("lost_worst", "thickness_worst")]
            spme = errors.get("SPMe (PyBaMM)")
            cells += [f"{spme['lost_worst']:.2f} %" if spme else "-", f"{errors['sqrt(t) clock']['lost_worst']:.0f} %"]
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    worst = max(max(one["summary"]["network"][f"{name}_worst"] for name in ("lost", "thickness")) for one in found)
    met = "aim" if worst <= 0.1 else "required" if worst <= 0.5 else "**no**"
    return [*lines, "", f"Required 0.5 %, aim 0.1 %; worst {worst:.2f} %: {met}. The method: [SEI](pinn-sei.md)."]


def temperatures(records: list[dict[str, Any]]) -> list[str]:
    """List evaluations at temperatures that were chosen on the command line."""
    own = [one for one in records if one["variant"] == "shipped" and "negative" in one["summary"]]
    usual = {"hot": 55.0, "cold": 0.0, "anode-cold": 0.0}
    other = [one for one in own if one["settings"].get("ambient") not in (None, usual.get(one["row"]))]
    return [
        f"* {one['row']} at {one['settings']['ambient']:g} °C: {one['summary']['negative']:.1f} / {one['summary']['positive']:.1f}, "
        f"{len(one['runs'])} runs"
        for one in other
    ]


def run_table(records: list[dict[str, Any]]) -> list[str]:
    """List every run of the committed weights in range, hot and cold."""
    lines = [
        "| row | seed | kind | ambient, °C | warmest, °C | SOC at start | bins | negative | positive |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in records:
        if one["variant"] != "shipped" or one["row"] not in ("known-start", "hot", "cold"):
            continue
        for run in one["runs"]:
            cells = [one["row"], run["seed"], run["kind"], run["ambient"], run["warmest"], run["soc"], run["bins"]]
            cells += [f"{run['negative']:.1f}", f"{run['positive']:.1f}"]
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return lines if len(lines) > 2 else ["Not run."]


def equal_compute(records: list[dict[str, Any]]) -> str:
    """Tell the CPU seconds of training of each variant, and whether they are equal."""
    spent: dict[str, list[float]] = {}
    for one in records:
        if one.get("training_cpu_seconds") is not None:
            spent.setdefault(one["variant"], []).append(float(one["training_cpu_seconds"]))
    if not spent:
        return "How long each was trained is not recorded."
    every = [value for values in spent.values() for value in values]
    told = ", ".join(f"{name} {max(values):.0f} s" for name, values in spent.items())
    equal = max(every) <= 1.05 * min(every)
    return f"CPU seconds of training: {told}. " + (
        "They are equal." if equal else "**They are not equal, so the comparison is not fair yet.**"
    )


def replaced(records: list[dict[str, Any]]) -> str:
    """Tell how many drawn profiles gave no run."""
    own = [one for one in records if one["variant"] == "shipped" and "replaced" in one]
    parts = [f"{len(one['replaced'])} in `{one['row']}`" for one in own if one["replaced"]]
    return f"Replaced: {', '.join(parts)}." if parts else "None was replaced."


def provenance(records: list[dict[str, Any]]) -> list[str]:
    """Say which weights and versions the figures come from; a page that mixes weights says so."""
    own = [one for one in records if one["variant"] == "shipped" and one["row"] != "mesh"]
    weights = sorted({(one["weights"], one["sha256"]) for one in own if one["sha256"]})
    lines = [f"* `{name}`, SHA-256 `{checksum}`" for name, checksum in weights]
    if len({checksum for name, checksum in weights if "models/" in name}) > 1:
        lines.append("* **These records are of different weights: evaluate the older ones again.**")
    lines += ["* " + ", ".join(f"{name} {value}" for name, value in one["versions"].items()) for one in own[:1]]
    return lines or ["* No committed weights were evaluated yet."]


def written(records: list[dict[str, Any]], tables: dict[str, list[str]]) -> str:
    """Return the page."""
    lines = [
        "# PINN internal states: measured",
        "",
        "Written by `python -m training.pinn.report` from the records in `training/pinn/results`; do not edit.",
        "",
        "**Simulated cell, known parameters.** The truth is a Doyle-Fuller-Newman simulation (PyBaMM, OKane2022, 20 points, IDAKLU,",
        "prescribed cell temperature), not a laboratory. A real cell differs from its parameters, and the row with perturbed parameters",
        "says what that does to the intervals, not what it does to a laboratory's cell.",
        "",
        "Profiles of evaluation have seeds from 100000 on; nothing was trained on them or chosen by them. At held-out temperatures the",
        "network saw no simulation; the physics part of its loss, which needs none, runs from -20 to 65 °C. An error is the root mean",
        "square over every node of r and x and every bin of every run, the electrodes apart. A known start is a relaxed cell of known",
        "state of charge. 'Worst run' is the run with the largest error of each electrode.",
        "",
        "## Goals",
        "",
        *tables["main"],
        "",
        mesh_sentence(records),
        "",
        "A drawn profile whose voltage leaves 2.0 to 4.5 V within ten minutes does not fit the cell; the next seed takes its place.",
        replaced(records),
        "",
        *temperatures(records),
        "",
        "## What each part is worth",
        "",
        "Every trained variant had the same profiles. Mean over seeds of training, least and largest in brackets.",
        equal_compute(records),
        "",
        *tables["ablation"],
        "",
        "The data-only baseline is a gated linear recurrence with learned rates, of about 60,000 parameters. It is given counted charge",
        "and the state of charge it stands for, and predicts principal modes of the fields. How it was tuned stands in",
        "`training/pinn/results/baseline-tuning.md`.",
        "",
        "## Anode potential",
        "",
        "Charging bins (mean current below zero) whose true mean margin to plating is under 50 mV. 'Missed' bins plate and are called",
        "safe; 'false' ones are safe and are called plating.",
        "",
        *tables["plating"],
        "",
        "## 90 % intervals",
        "",
        "Share of nodes and bins whose true value lies within the interval; required 85 to 95 %, aim 88 to 92 %. Perturbed: both solid",
        "diffusivities, both exchange-current densities, electrolyte diffusivity and conductivity of the truth are each 10 to 20 % off,",
        "up or down; the estimator is told the size of the doubt, not the values. Electrode loadings stay: the cell's balance is taken",
        "as known. An estimate of a bin knows the voltage up to the end of its block of six minutes, and none after it.",
        "",
        *tables["coverage"],
        "",
        "## Speed",
        "",
        *speed_lines(records),
        "",
        "## SEI",
        "",
        "Worst relative error against the DFN from cycle 100 on, from a fresh cell and the protocol alone.",
        "",
        *sei_lines(records),
        "",
        "## Every run of the committed weights, known start",
        "",
        *run_table(records),
        "",
        "## Commands",
        "",
        "Each row by one command on freshly simulated profiles; seeds, number and temperature can be chosen (`--seeds 200000 12`,",
        "`--ambient 10`).",
        "",
        "```",
        *tables["commands"],
        "python -m training.pinn.evaluate anode",
        "python -m training.pinn.evaluate coverage-perturbed",
        "python -m training.pinn.evaluate mesh",
        "python -m training.pinn.evaluate sei",
        "python -m training.pinn.speed --keep",
        "```",
        "",
        "## Where the figures come from",
        "",
        *provenance(records),
        "",
    ]
    return "\n".join(lines)
