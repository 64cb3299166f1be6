"""A Salesmap API on loopback with an invented workspace: for the demo, the tests, the benchmark."""

from salesmap_async.sandbox.arrivals import Arrival
from salesmap_async.sandbox.evolution import work_a_day
from salesmap_async.sandbox.faults import Fault, load_faults
from salesmap_async.sandbox.server import SANDBOX_TOKEN, Sandbox, serve
from salesmap_async.sandbox.table import Record, Table
from salesmap_async.sandbox.workspace import USUAL_MIX, Workspace

__all__ = [
    "SANDBOX_TOKEN",
    "USUAL_MIX",
    "Arrival",
    "Fault",
    "Record",
    "Sandbox",
    "Table",
    "Workspace",
    "load_faults",
    "serve",
    "work_a_day",
]
