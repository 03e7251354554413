"""Numbers as they are written in sentences for people."""


def percent(share: float) -> str:
    """A share such as `2.5 %`, to a tenth."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def duration(milliseconds: float) -> str:
    """A time such as `1.4 s`, or `189 ms` below a second."""
    return f"{milliseconds / 1_000:,.1f} s" if milliseconds >= 1_000 else f"{milliseconds:.0f} ms"
