"""Deliveries from outside: `ingest` takes a gateway's delivery, and each row of it is accepted or recorded as rejected.

`store.parsing` says what can be said of a row alone, `known` what the log holds of its meter, `validation` and `register_checks`
what does not fit, `deliveries` what becomes of it.
"""

from store.ingest.deliveries import DELIVERY_ROWS_MAX, Ingested, ingest
from store.ingest.known import Known
from store.parsing import Delivery, NumberedHomes

__all__ = ["DELIVERY_ROWS_MAX", "Delivery", "Ingested", "Known", "NumberedHomes", "ingest"]
