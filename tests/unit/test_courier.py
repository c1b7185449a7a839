"""The courier over real sockets: what receivers do to it, and where it does not go."""

from __future__ import annotations

import datetime as dt
import email.utils
import ipaddress
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from runyard.errors import ConfigError
from runyard.events.addresses import check_url, is_forbidden
from runyard.ports import Parcel, Receipt
from runyard.stores.courier import HttpCourier
from tests.standins.receiver import ENDLESS, LOST, SLOW, TORN, receiving, refusing_port

BODY = b'{"a": 1}'


def parcel(url: str, *, allow_http: bool = False) -> Parcel:
    return Parcel(
        url=url, headers={"Content-Type": "application/x", "webhook-id": "i"}, body=BODY, allow_http=allow_http
    )


def leads_to(*addresses: str) -> HttpCourier:
    """A courier for which every name leads there."""

    def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return HttpCourier(timeout=2.0, resolve=resolve)


def test_an_event_arrives_byte_for_byte_with_its_headers() -> None:
    with receiving() as receiver:
        assert Receipt(status=204) == HttpCourier().deliver(parcel(receiver.url + "?token=abc"))
    (taken,) = receiver.taken
    assert ("/in?token=abc", BODY) == (taken.path, taken.body)
    assert ("application/x", "i") == (taken.headers["Content-Type"], taken.headers["webhook-id"])
    assert f"127.0.0.1:{receiver.port}" == taken.headers["Host"]


@pytest.mark.parametrize("status", [200, 202, 400, 404, 410, 429, 500, 503])
def test_a_status_is_what_the_receiver_says(status: int) -> None:
    with receiving(str(status)) as receiver:
        assert Receipt(status=status) == HttpCourier().deliver(parcel(receiver.url))


def test_a_redirect_is_not_followed() -> None:
    with receiving() as other, receiving(f"302 Location: {other.url}") as receiver:
        assert Receipt(status=302) == HttpCourier().deliver(parcel(receiver.url))
    assert [] == other.taken


def test_retry_after_is_read_in_seconds_and_as_a_date() -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    said = email.utils.format_datetime(later, usegmt=True)
    with receiving("429 Retry-After: 7", f"503 Retry-After: {said}", "503 Retry-After: soon") as receiver:
        first, second, third = (HttpCourier().deliver(parcel(receiver.url)) for _ in range(3))
    assert Receipt(status=429, retry_after=7.0) == first
    assert second.retry_after is not None
    assert 60 < second.retry_after <= 90
    assert Receipt(status=503) == third


@pytest.mark.parametrize("how", [LOST, TORN])
def test_a_receiver_that_breaks_off_has_not_answered(how: str) -> None:
    with receiving(how) as receiver:
        receipt = HttpCourier().deliver(parcel(receiver.url))
    assert receipt.status is None
    assert receipt.error.startswith("127.0.0.1 could not be reached, or broke off: ")
    assert 1 == len(receiver.taken), "it is not sent again by itself"


def test_a_receiver_that_drips_its_answer_is_left_when_the_time_is_over() -> None:
    with receiving(SLOW) as receiver:
        began = time.monotonic()
        receipt = HttpCourier(timeout=0.3).deliver(parcel(receiver.url))
    assert Receipt(error="127.0.0.1 did not answer within 0 s") == receipt
    assert time.monotonic() - began < 5


def test_a_body_without_end_is_not_read() -> None:
    with receiving(ENDLESS) as receiver:
        assert Receipt(status=200) == HttpCourier(timeout=5.0).deliver(parcel(receiver.url))


def test_nobody_there_is_said_without_the_query() -> None:
    receipt = HttpCourier().deliver(parcel(f"http://127.0.0.1:{refusing_port()}/in?token=canary"))
    assert receipt.status is None
    assert "Connection refused" in receipt.error
    assert "canary" not in receipt.error


def test_a_name_that_leads_to_a_metadata_service_is_refused_after_the_look_up() -> None:
    with receiving() as receiver:
        courier = leads_to("127.0.0.1", "169.254.169.254")
        receipt = courier.deliver(parcel(f"http://fine.example:{receiver.port}/in", allow_http=True))
    assert receipt.refused
    assert receipt.error.startswith("fine.example leads to 169.254.169.254, an address of a metadata service")
    assert [] == receiver.taken


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to() -> None:
    looked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        looked.append(host)
        return ["127.0.0.1"] if len(looked) == 1 else ["169.254.169.254"]

    with receiving() as receiver:
        courier = HttpCourier(resolve=rebinding)
        assert 204 == courier.deliver(parcel(f"http://fine.example:{receiver.port}/in", allow_http=True)).status
    assert ["fine.example"] == looked
    assert f"fine.example:{receiver.port}" == receiver.taken[0].headers["Host"]


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with receiving() as receiver:
        courier = leads_to("127.0.0.2", "127.0.0.1")
        assert 204 == courier.deliver(parcel(f"http://localhost:{receiver.port}/in")).status


def test_localhost_that_leads_elsewhere_is_not_this_machine() -> None:
    receipt = leads_to("10.0.0.1").deliver(parcel("http://localhost:9/in"))
    assert Receipt(error="localhost leads to 10.0.0.1, which is not this machine", refused=True) == receipt


def test_a_name_without_an_address_says_so() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    receipt = HttpCourier(resolve=resolve).deliver(parcel("https://nowhere.example/in?token=canary"))
    assert Receipt(error="the name nowhere.example has no address: Name or service not known") == receipt


def test_a_look_up_that_hangs_ends_with_the_time() -> None:
    with receiving() as receiver:

        def resolve(host: str, port: int) -> Sequence[str]:
            receiver.closing.wait(20)
            return []

        receipt = HttpCourier(timeout=0.1, resolve=resolve).deliver(parcel("https://slow.example/"))
    assert "the look-up took longer" in receipt.error


def test_a_receiver_that_speaks_no_tls_is_not_reached_over_https() -> None:
    with receiving() as receiver:
        receipt = HttpCourier(timeout=2.0).deliver(parcel(receiver.url.replace("http:", "https:")))
    assert receipt.status is None
    assert not receipt.refused
    assert [] == receiver.taken


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::",
    ],
)
def test_addresses_that_are_never_receivers(address: str) -> None:
    assert is_forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "127.0.0.1", "::1", "fd12::1", "8.8.8.8"])
def test_private_addresses_are_an_operators_business(address: str) -> None:
    assert not is_forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://a.example/", "the URL must have the form https://host/path"),
        ("nothing", "the URL must have the form https://host/path"),
        ("https:///in", "the URL must have the form https://host/path"),
        ("https://a.example:99999/", "the URL cannot be read; it must have the form https://host/path"),
        (
            "https://me:canary@a.example/",
            "the URL holds a user name or a password; leave them out: deliveries are signed",
        ),
        (
            "http://a.example/?t=canary",
            "http to a.example is readable on the way: use https, or allow it with --allow-http",
        ),
        (
            "https://169.254.169.254/?t=canary",
            "169.254.169.254 is an address of a metadata service or of a link; events are not sent there",
        ),
        (
            "https://[fe80::1]/",
            "fe80::1 is an address of a metadata service or of a link; events are not sent there",
        ),
    ],
)
def test_a_url_that_cannot_be_is_refused_in_one_sentence(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_url(url)
    assert said == caught.value.message
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]:80/", "http://localhost:9/", "https://a.example/"])
def test_urls_that_may_be(url: str) -> None:
    assert url == check_url(url).url


def test_a_query_is_not_shown() -> None:
    assert "https://a.example:8/in?…" == check_url("https://a.example:8/in?token=canary").shown


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of ``fine.example`` that nobody trusts by itself, and its key."""
    tool = shutil.which("openssl")
    if tool is None and os.environ.get("CI"):
        pytest.fail("openssl is needed to make a certificate")
    if tool is None:
        pytest.skip("openssl is not here, so no certificate can be made")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "cert.pem", folder / "key.pem"
    names = ("-subj", "/CN=fine.example", "-addext", "subjectAltName=DNS:fine.example")
    command = [
        tool,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


def over_tls(certificate: tuple[Path, Path], host: str, *, trusted: bool) -> tuple[Receipt, int]:
    """What comes of a delivery to this name, and how many requests came."""
    with receiving(certificate=certificate) as receiver:
        courier = HttpCourier(
            timeout=5.0,
            resolve=lambda *_: ["127.0.0.1"],
            trusted=str(certificate[0]) if trusted else None,
        )
        receipt = courier.deliver(parcel(f"https://{host}:{receiver.port}/in"))
        return receipt, len(receiver.taken)


def test_over_https_a_certificate_of_the_receivers_name_is_needed(certificate: tuple[Path, Path]) -> None:
    assert (Receipt(status=204), 1) == over_tls(certificate, "fine.example", trusted=True)


@pytest.mark.parametrize(("host", "trusted"), [("fine.example", False), ("other.example", True)])
def test_a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused(
    certificate: tuple[Path, Path], host: str, trusted: bool
) -> None:
    receipt, came = over_tls(certificate, host, trusted=trusted)
    assert (None, 0) == (receipt.status, came)
    assert "certificate verify failed" in receipt.error
