import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard.errors import MalformedTimestamp, TimestampOutOfTolerance
from hookguard.schemes.timestamp import check_freshness, read_timestamp, write_timestamp


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        ("1", "s", 1),
        ("1704067200", "s", 1704067200),
        ("999999999999", "s", 999999999999),
        ("1704067200123", "ms", 1704067200.123),
        ("2024-01-01T00:00:00Z", "rfc3339", 1704067200),
        ("2024-01-01t00:00:00z", "rfc3339", 1704067200),
        ("2024-01-01T01:30:00+01:30", "rfc3339", 1704067200),
        ("2024-01-01T00:00:00.5Z", "rfc3339", 1704067200.5),
        ("2024-01-01T00:00:00.123456789Z", "rfc3339", 1704067200.123456789),
    ],
)
def test_reads_what_providers_write(text, unit, seconds):
    assert read_timestamp(text, unit) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "0", "00012", "-5", "+5", " 12", "12 ", "1_000", "12.9", "1e9", "nan", "inf", "1e400", "0x10", "１２３", "٣", "²", "9" * 13,
     "9" * 5000, "12\n", "\x0012"],
)  # fmt: skip
@pytest.mark.parametrize("unit", ["s", "ms"])
def test_anything_else_is_malformed(text, unit):
    if unit == "ms" and text == "9" * 13:
        assert read_timestamp(text, unit) == pytest.approx(9999999999.999)
        return
    with pytest.raises(MalformedTimestamp):
        read_timestamp(text, unit)


@pytest.mark.parametrize(
    "text",
    ["2024-01-01", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "1704067200",
     "2024-01-01T25:00:00Z", "2024-01-01T00:00:00+99:00", "２024-01-01T00:00:00Z",
     "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.1234567890Z", ""],
)  # fmt: skip
def test_malformed_dates_are_rejected(text):
    with pytest.raises(MalformedTimestamp):
        read_timestamp(text, "rfc3339")


def test_the_error_says_what_was_expected_and_does_not_repeat_what_came():
    with pytest.raises(MalformedTimestamp) as raised:
        read_timestamp("drop table", "ms")
    assert "milliseconds since 1970" in str(raised.value)
    assert "drop" not in str(raised.value)


@given(seconds=st.integers(1, 4_000_000_000), unit=st.sampled_from(["s", "ms", "rfc3339"]))
def test_a_written_timestamp_is_read_back(seconds, unit):
    assert read_timestamp(write_timestamp(seconds, unit), unit) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize(
    ("off", "delay", "fresh"),
    [
        (0, 0, True),
        (300, 0, True),
        (-300, 0, True),
        (300.5, 0, False),
        (-300.5, 0, False),
        (86700, 86400, True),
        (86700.5, 86400, False),
        (-300.5, 86400, False),
    ],
)
def test_timestamp_is_fresh_within_the_tolerance_and_the_gateway_delay(off, delay, fresh):
    now = 1704067200.0
    if fresh:
        check_freshness(now - off, now, 300.0, delay)
        return
    with pytest.raises(TimestampOutOfTolerance) as raised:
        check_freshness(now - off, now, 300.0, delay)
    assert raised.value.off == off
    assert raised.value.tolerance == 300.0 + (delay if off > 0 else 0.0)
