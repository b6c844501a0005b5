"""Settings that make sense, and sentences for those that do not."""

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import ADDRESS, OTHER_ADDRESS, SicantikCase

FAR = "https://perizinan.example.go.id/backoffice/api"


@tagged("post_install", "-at_install")
class TestConnector(SicantikCase):
    def test_addresses(self):
        for address in (FAR, ADDRESS, "http://[::1]:8080/api", "HTTP://Example.go.id"):
            self.connector.write({"api_url": address})
        for address in (
            "perizinan.example.go.id",
            "ftp://perizinan.example.go.id/api",
            "https://",
            "https:///api",
            "http://example.go.id:port/api",
            "http://[::1/api",
            "https://someone:secret@example.go.id/api",
            "https://example.go.id/api?limit=1",
            "https://example.go.id/api#top",
        ):
            with self.subTest(address=address), self.assertRaises(ValidationError):
                self.connector.write({"api_url": address})

    def test_host(self):
        for address, host in (
            (FAR, "perizinan.example.go.id"),
            ("http://EXAMPLE.go.id./api", "example.go.id"),
            ("http://example.go.id:8080", "example.go.id:8080"),
            ("http://[::1]/api", "[::1]"),
        ):
            self.connector.api_url = address
            self.assertEqual(self.connector.host, host)

    def test_rate(self):
        far = self.make_connector("Far", FAR)
        for rate in (0.1, 1, 10):
            far.request_rate = rate
        for rate in (0, -1, 0.05, 10.01, 500):
            with self.subTest(rate=rate), self.assertRaisesRegex(ValidationError, "from 0.1 to 10"):
                far.request_rate = rate

    def test_rate_of_a_simulator(self):
        for address in (
            "http://127.0.0.1:1/api",
            "http://127.9.9.9/api",
            "http://localhost:5/api",
            "http://[::1]:5/a",
        ):
            self.connector.write({"api_url": address, "request_rate": 100000})
        with self.assertRaises(ValidationError):
            self.connector.request_rate = 100001
        # Pointing a simulator's connector at the real server does not take its rate along.
        with self.assertRaises(ValidationError):
            self.connector.api_url = FAR
        with self.assertRaises(ValidationError):
            self.connector.api_url = "http://127.0.0.1.example.go.id/api"

    def test_limits(self):
        for name, good, bad in (
            ("request_timeout", (0.1, 10, 300), (0, -1, 301)),
            ("max_in_flight", (1, 1000), (0, -1, 1001)),
            ("page_size", (1, 1000), (0, -1, 1001)),
        ):
            for value in good:
                self.connector[name] = value
            for value in bad:
                with self.subTest(name=name, value=value), self.assertRaises(ValidationError):
                    self.connector[name] = value

    def test_time_zone(self):
        self.assertEqual(self.connector.tz, "Asia/Jakarta")
        with self.assertRaisesRegex(ValidationError, "time zone"):
            self.connector.tz = "Asia/Kabanjahe"

    def test_current_run(self):
        self.assertFalse(self.connector.current_run_id)
        run_id = self.start()["run_id"]
        self.connector.invalidate_recordset()
        self.assertEqual(self.connector.current_run_id.id, run_id)
        self.assertEqual(self.connector.current_run_state, "queued")

    def test_counts(self):
        other = self.make_connector("Other", OTHER_ADDRESS)
        self.make_permits(3)
        self.make_permits(2, expiry_date="2030-01-01")
        self.make_permits(1, status="cancelled")
        self.make_permits(1, permit_number=False)
        self.assertEqual((self.connector.permit_count, other.permit_count), (7, 0))
        self.assertEqual(self.connector.permit_without_expiry_count, 3)

    def test_settings_are_tracked(self):
        # Mail compares at the end of a transaction: one for the creation, one for the change.
        self.env.cr.flush()
        self.connector.request_rate = 5
        self.env.cr.flush()
        tracked = self.connector.message_ids.sudo().tracking_value_ids
        self.assertEqual(tracked.field_id.mapped("name"), ["request_rate"])
