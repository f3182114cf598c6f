"""Patients as objects, from Python: log in, observe, ask, follow alerts.

Needs `pip install pycapnp` (2.2 or later; a wheel, no compiler) and a node:
    medulla serve --insecure-dev --rpc 127.0.0.1:7700
    python quickstart.py 127.0.0.1:7700
"""

import asyncio
import sys
import time
from pathlib import Path

import capnp

capnp.remove_import_hook()
SCHEMA = Path(__file__).resolve().parents[3] / "schema" / "wire" / "schema" / "rpc.capnp"


def load_api(schema=SCHEMA):
    return capnp.load(str(schema))


async def log_in(api, address, principal="nurse:ada", purpose="TREAT"):
    host, _, port = address.rpartition(":")
    stream = await capnp.AsyncIoStream.create_connection(host=host, port=int(port))
    client = capnp.TwoPartyClient(stream)
    gateway = client.bootstrap().cast_as(api.Gateway)
    credentials = {"development": {"principal": principal, "purpose": purpose}}
    session = (await gateway.login(credentials=credentials)).session
    return client, session  # the client keeps the connection


def observation(code, value, unit, at=None):
    """A number by LOINC code and UCUM unit. Decimals are exact: 37.5 is 375 with scale 1."""
    digits = str(abs(value))
    scale = len(digits.partition(".")[2])
    number = {"low": int(digits.replace(".", "")), "scale": scale, "isNegative": value < 0}
    return {
        "code": {"code": code},
        "value": {"quantity": {"value": number, "unit": unit}},
        "effectiveAtUnixMicros": int((at or time.time()) * 1_000_000),
    }


def number(decimal):
    size = (decimal.high << 64 | decimal.low) / 10**decimal.scale
    return -size if decimal.isNegative else size


def alert_printer(api, enough):
    """A subscriber: the return of push is its acknowledgement."""

    class Printer(api.AlertSubscriber.Server):
        seen = []

        async def push(self, items, position, **_):
            for item in items:
                print(f"alert: patient {item.patient}, {item.condition} {item.change}")
                self.seen.append((item.patient, item.sequence))
            self.position = bytes(position)
            enough.set()

        async def end(self, failure, **_):
            print(f"subscription ended: {failure.code} {failure.message}")
            enough.set()

    return Printer()


async def main(address, schema=SCHEMA):
    api = load_api(schema)
    client, session = await log_in(api, address)

    # Subscribe first, so that nothing is missed.
    enough = asyncio.Event()
    printer = alert_printer(api, enough)
    alerts = (await session.alerts()).alerts
    subscription = (await alerts.subscribe(start={"now": None}, subscriber=printer)).subscription

    # One patient. The command id makes a retry harmless: it has one effect.
    name = f"py{time.time_ns()}"
    patient = session.patient(key=name).patient  # a promise: no round trip of its own
    potassium = observation("2823-3", 7.2, "mmol/L")
    for attempt in ("first", "retry"):
        receipt = (await patient.observe(observation=potassium, commandId="py-1")).receipt
        print(f"{attempt}: sequence {receipt.sequence}, repeated {receipt.repeated}")

    # Many at once; each has its own result.
    items = [
        {"patient": name, "commandId": f"py-hr-{i}", "observation": observation("8867-4", v, u)}
        for i, (v, u) in enumerate([(118, "/min"), (121, "/min"), (80, "mg/dL")])
    ]
    for result in (await session.observeMany(items=items)).results:
        kind = result.which()
        print("batch:", result.failure.code if kind == "failure" else "recorded")

    # The live state, in one audited read.
    state = (await patient.state()).state
    for vital in state.vitals:
        print(f"{vital.measure}: {number(vital.value)} {vital.unit}")
    for score in state.scores:
        print(f"{score.model}: {number(score.minimum)} to {number(score.maximum)}, {score.band}")

    # A question over all patients.
    cohort = session.cohort(expression="select count(*) from patients").cohort
    answer = (await cohort.run(rowsMax=10)).result
    print("patients:", [value.number for row in answer.rows for value in row.values])

    await asyncio.wait_for(enough.wait(), 30)
    await subscription.cancel()
    try:
        await session.patient(key="nobody").patient.state()
    except capnp.KjException as error:
        print("refused:", error.description)
    await session.close()
    return printer.seen


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7700"
    schema = sys.argv[2] if len(sys.argv) > 2 else SCHEMA
    asyncio.run(capnp.run(main(where, schema)))
