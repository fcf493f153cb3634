"""What an alarm says: which cell, how far, which limit, and what to do."""

from __future__ import annotations

from models.voltage_monitor.limits import Limit

ACTIONS = {
    "undervoltage warning": "Reduce or stop the discharge and charge soon. If only this cell is low, its charge or its health "
    "differs from its peers': see the imbalance analysis.",
    "undervoltage critical": "Stop the discharge now. Charge only with a small current, and have the cell inspected before it is "
    "used again: copper may have dissolved.",
    "overvoltage warning": "Reduce or stop the charge. If only this cell is high, balance the pack before the next full charge.",
    "overvoltage critical": "Stop the charge now and let nothing restart it by itself; discharge with a small current and have "
    "the charger's and the monitor's limits checked.",
    "stuck": "Do not trust this cell's limits until it moves again. Check its sense wire and the monitor's channel.",
    "missing": "Nobody watches this cell now. Check its sense wire, the monitor's channel and the logger.",
}

NO_LIMITS = (
    "no limits: the chemistry is not known. Set the asset's Chemistry on the platform, or all of undervoltage_critical, "
    "undervoltage_warning, overvoltage_warning and overvoltage_critical in models.voltage_monitor.configuration."
)
NOT_RESOLVABLE = (
    "not resolvable: samples are more than 10 s apart, and an alarm that comes 3 times a minute cannot be told. "
    "Log the cells every 10 s or faster."
)
MOSTLY_GAPS = (
    "Most samples lie more than {:g} s apart, which is no operation: no delay is waited for across that, so no limit with an on-delay "
    "raises an alarm, however far a cell is beyond it. Log faster, or set the sensor's max_gap to how it logs."
)
NO_STUCK = (
    "Samples come every {:.3g} min, so a block of {:g} min has too few of them to tell a stuck cell. "
    "Set stuck_minutes to {:.3g} or more."
)


def lasting(milliseconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> lasting(30_000), lasting(5_400_000), lasting(200_000_000)
    ('30 s', '90 min', '2.31 d')
    """
    seconds = milliseconds / 1000.0
    for limit, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400.0:.3g} d"


def of_limit(limit: Limit, cell: int, peak: float, moved: float, lasted: float, cleared: bool) -> str:
    """Return the text of a limit's alarm.

    Parameters
    ----------
    peak, moved : float
        Farthest voltage, and by how much temperature and load moved the limit when it was raised. [V]
    lasted : float
        Since the first sample beyond the limit. [ms]
    """
    beyond, extreme = ("below", "lowest") if limit.side < 0 else ("above", "highest")
    where = f"{limit.set + moved:.4g} V"
    if moved:
        where += f" ({limit.set:.4g} V, moved by {1000 * moved:+.3g} mV for temperature or load)"
    clears = f"it clears {'above' if limit.side < 0 else 'below'} {limit.clear + moved:.4g} V for {lasting(limit.off_delay)}"
    if cleared:
        return f"Cell {cell} was {beyond} {where}, {extreme} {peak:.4g} V; cleared {lasting(lasted)} after it began."
    return f"Cell {cell} is {beyond} {where} for {lasting(lasted)}, {extreme} {peak:.4g} V; {clears}. {ACTIONS[limit.name]}"


def of_stuck(cell: int, minutes: float, movement: float, cleared: bool) -> str:
    """Return the text for a stuck cell."""
    if cleared:
        return f"Cell {cell} moves again."
    text = f"Cell {cell} kept one value for {minutes:g} min while the middle one of all cells moved by {1000 * movement:g} mV or more."
    return f"{text} {ACTIONS['stuck']}"


def of_missing(cell: int, lasted: float, cleared: bool) -> str:
    """Return the text for a cell without value."""
    if cleared:
        return f"Cell {cell} has values again; it had none for {lasting(lasted)}."
    text = f"Cell {cell} has had no valid value for {lasting(lasted)} (0 V, a sentinel, or nothing) while its peers have."
    return f"{text} {ACTIONS['missing']}"
