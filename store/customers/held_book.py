"""The book that a keyspace itself holds: the price lists that were published, and the tariffs that its homes have chosen.

It is what a store folds by that was given no book. Of a home that has chosen nothing the keyspace does not say the tariff:
whoever opened the account knows it, so its days are compared by their energy and never priced by a guess.
"""

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import Operation
from store.columns import Integers
from store.customers.port import Preference
from store.customers.preferences import in_force
from store.customers.store import BOOK, preference_of, price_list_of
from store.ports import Runner
from store.tariffs import UNKNOWN_TARIFF, Book

_NEEDED = {Operation.READ_TARIFF, Operation.READ_PREFERENCES}


def held_book(runner: Runner) -> Book:
    """What is published by now; each home's choices are read when they are asked for. Raises StoreError, both.

    A schema without the customers' tables holds no prices.
    """
    if not {statement.operation for statement in runner.schema.statements} >= _NEEDED:
        return Book(prices=())
    prices = tuple(price_list_of(row) for row in runner.run(Operation.READ_TARIFF, {"book": BOOK}))

    def kind_of(premises: Integers, day_start_us: Integers) -> NDArray[np.uint8]:
        homes = np.unique(premises).tolist()
        answers = runner.run_many(Operation.READ_PREFERENCES, [{"premises": home} for home in homes])
        chosen = {home: [preference_of(row) for row in rows] for home, rows in zip(homes, answers, strict=True)}
        kinds = [
            in_force(chosen[home], Preference.TARIFF, day_us)
            for home, day_us in zip(premises.tolist(), day_start_us.tolist(), strict=True)
        ]
        return np.array([UNKNOWN_TARIFF if kind is None else kind for kind in kinds], np.uint8)

    return Book(prices=prices, kind_of=kind_of)
