"""The listing: how long it takes at the promised rate and with the rate lifted, and whether anything is missing."""

import statistics

from kit.database import Database
from kit.listing import check_dates, check_listing, fingerprint, obtainable, stored, upgraded
from kit.processes import Simulator, run
from table import Row

LATENCY = "2.5s"
MANY = 30_000
DATED = 100_000
SEEDS = 20
TROUBLES = {"error-500": 0.02, "empty": 0.01, "php-warning": 0.01, "broken": 0.01}


class Office:
    """A simulator with its connector, on the Odoo of the measurements."""

    def __init__(self, rig, permits, *flags, page_size=100, **values):
        self.rig = rig
        self.simulator = Simulator("--permits", permits, "--log-entries", 0, *flags)
        name = f"{permits} {' '.join(map(str, flags))}"
        self.connector = rig.odoo.connector(self.simulator.api_url, name=name, page_size=page_size, **values)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.simulator.__exit__()

    def sync(self, kind, *args, rate="10", **env):
        result = run("sync", kind, "--json", *args, settings=self.rig.settings, SICANTIK_REQUEST_RATE=str(rate), **env)
        # 3: every permit was asked for, and some have no usable answer, as quirks will have it.
        if result.code not in ((0,) if kind == "permits" else (0, 3)):
            raise RuntimeError(f"sync {kind} ended with {result.code}: {result.stderr}")
        if rate == "10":
            self.rig.busiest.append(self.simulator.traffic()["max_in_any_second"])
            if max(self.rig.busiest) > 10:
                raise RuntimeError(f"{max(self.rig.busiest)} requests in a second")
        return result

    def check(self, received=False):
        """Raises an error where a permit is missing, double, wrong or junk. Returns the permits and the truth."""
        truth = self.simulator.truth()
        return check_listing(self.rig.odoo, self.connector, truth, received=received), truth


def quick(rig):
    """The upgraded listing of a small office, all of whose permits Odoo knows: start of the process to its exit."""
    seconds = []
    for _ in range(3):
        with Office(rig, 500, "--clean", "--upgraded", "--latency", "50ms") as office:
            rig.odoo.load(office.simulator.truth(), office.connector)
            office.simulator.post("reset-log")
            result = office.sync("permits")
            known, truth = office.check(received=True)
            check_dates(known, truth, upgraded)
            seconds.append(result.seconds)
            requests = result.json["requests"]
    note = f"{requests} requests; median of {len(seconds)}: " + ", ".join(f"{one:.2f}" for one in seconds)
    return [Row("upgraded API, 500 permits with dates, pages of 100, 0.05 s latency, 10/s", statistics.median(seconds), "s",
                at_most=1.0, digits=2, note=note)]


def imported(rig):
    """A first import, and the same again."""
    rows = []
    for flags, name, most in ((["--clean"], "", 60), ([], " with every quirk", None)):
        with Office(rig, MANY, *flags, "--listing-latency", LATENCY, page_size=300) as office:
            first = office.sync("permits")
            office.check()
            before = fingerprint_of(office)
            again = office.sync("permits")
            written = sum(1 for old, new in zip(before, fingerprint_of(office), strict=True) if old != new)
            what = f"{MANY:,} permits{name}, pages of 300, {LATENCY} latency, 10/s"
            rows += [
                Row(f"{what}: first import", first.seconds, "s", at_most=most,
                    note=f"{first.json['requests']} requests"),
                Row(f"{what}: again", again.seconds, "s", at_most=45 if most else None,
                    note=f"{again.json['requests']} requests"),
                Row(f"{what}: again, permits written", written, at_most=0, digits=0),
            ]
    return rows


def fingerprint_of(office):
    return fingerprint(Database(office.rig.settings))[0]


def bulk(rig):
    """Everything at once, as on the day of the upgrade, with the rate lifted."""
    with Office(rig, DATED, "--clean", "--upgraded", page_size=300) as office:
        result = office.sync("permits", rate=0)
        known, truth = office.check(received=True)
        check_dates(known, truth, upgraded)
    return [
        Row(f"{DATED:,} permits with dates into an empty Odoo, rate lifted: per second", DATED / result.seconds, "/s",
            at_least=1500, digits=0, note=f"{result.seconds:.0f} s from start to exit"),
        Row(f"peak memory, {DATED:,} permits from the listing", result.peak_mib, "MiB", at_most=64),
    ]


def moving(rig):
    """Checked permit by permit; an error ends the measurement."""
    permits = 0
    for seed in range(SEEDS):
        changes = ["--at", f"{2 + seed % 9}:add=500", "--at", f"{3 + seed * 7 % 15}:swap=200"]
        flags = ["--seed", 1000 + seed, *changes, "--latency", "8ms", "--jitter", "7ms"]
        with Office(rig, 1000, *flags, page_size=50, max_in_flight=1 + seed % 6) as office:
            office.sync("permits", rate=0)
            _, truth = office.check()
            if len(truth) != 1500:
                raise RuntimeError("it ended before the listing moved")
            permits += len(obtainable(truth))
    note = f"{permits:,} permits in {SEEDS} listings, each compared"
    return [Row(f"500 added and 200 swapped while it is read, {SEEDS} seeds: permits missing, double or wrong", 0,
                at_most=0, digits=0, note=note)]


def troubled(rig):
    """Every quirk, and 5 % of requests in trouble."""
    faults = [word for kind, share in TROUBLES.items() for word in ("--fault", f"{kind}={share}")]
    with Office(rig, 5000, *faults, page_size=50) as office:
        result = office.sync("permits", rate=0)
        known, _ = office.check()
    note = f"{len(known):,} permits, {result.json['requests']} requests, {result.json['retries']} of them again"
    return [Row("every quirk and 5 % faults: obtainable permits missing, fields wrong, junk imported", 0, at_most=0,
                digits=0, note=note)]


def switched(rig):
    """The API upgraded in the middle of a night, and downgraded in the middle of the next."""
    wrong = lost = compared = 0
    for moment in (4, 9, 200):
        flags = ["--at", f"{moment}:upgrade", "--latency", "10ms"]
        with Office(rig, 1000, *flags, page_size=50, max_in_flight=3) as office:
            before = {}
            for change in (None, "downgrade"):
                if change:
                    office.simulator.post("reset-log")
                    office.simulator.post(f"set?at={moment}:{change}")
                office.sync("all", rate=0)
                truth = {permit["pendaftaran_id"]: permit for permit in obtainable(office.simulator.truth())}
                dates = {name: permit["expiry_date"] for name, permit in stored(rig.odoo, office.connector).items()}
                wrong += sum(1 for name, date in dates.items() if date and date != truth[name]["expiry_date"])
                due = {name for name, permit in truth.items() if permit["obtainable"] and permit["no_surat"]}
                lost += sum(1 for name in due | before.keys() if not dates.get(name))
                before = {name: date for name, date in dates.items() if date}
                compared += len(dates)
    return [Row("upgraded in the middle of a night, downgraded in the next: dates wrong or lost", wrong + lost,
                at_most=0, digits=0, note=f"{compared:,} permits compared in 6 nights")]


def rows(rig):
    """The largest last: they fill the database."""
    return [row for part in (quick, moving, troubled, switched, imported, bulk) for row in part(rig)]
