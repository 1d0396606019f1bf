"""Which shares of deliveries come late, as a person names them: '0,2,10', percent."""

from scenarios.spec import ScenarioError
from scenarios.texts.printable import shortened

SHARES_MAX = 5
PERCENT_MAX = 50.0


def late_shares_of(text: str) -> tuple[float, ...]:
    """'0,2,10' -> (0.0, 0.02, 0.1); none for an empty text. Raises ScenarioError."""
    if not text.strip():
        return ()
    found: list[float] = []
    for part in (each.strip() for each in text.split(",")):
        try:
            percent = float(part)
        except ValueError:
            percent = -1.0
        if not 0 <= percent <= PERCENT_MAX:
            raise ScenarioError(
                f"--late {shortened(text)}: '{shortened(part)}' is no share: percent from 0 to {PERCENT_MAX:g}, as in 0,2,10"
            )
        if percent / 100 in found:
            raise ScenarioError(f"--late {shortened(text)}: {percent:g} is named twice")
        found.append(percent / 100)
    if len(found) > SHARES_MAX:
        raise ScenarioError(f"--late {shortened(text)}: {len(found)} shares are too many: at most {SHARES_MAX}")
    return tuple(found)
