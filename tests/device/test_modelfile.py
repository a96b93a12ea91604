"""The model file: round trip, and a reason for each file that is cut, damaged, newer or out of range."""

from __future__ import annotations

import hashlib
import struct
import zlib
from array import array
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device import modelfile
from offbeat.device.modelfile import ModelError
from offbeat.train.arithmetic import sine_table
from offbeat.train.families.gaussian import Gaussian
from offbeat.train.families.kmeans import KMeans
from offbeat.train.features import Feature
from offbeat.train.modelfile import Decision, ModelParts, Standardize
from offbeat.train.pipeline import Pipeline
from tests.parity import checked
from tests.parity.board import KERNELS, Worker, started
from tests.parity.models import BAND_WINDOWS, Case, cases, make_window, with_golden

Section = tuple[int, int, bytes]
Sections = list[Section]
Change = Callable[[bytearray, Sections], None]

META, FEATURES, SINE, STANDARDIZE, PARAMETERS, DECISION, GOLDEN = range(1, 8)


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


def small(family: str = "gaussian") -> Case:
    """Three features of two channels, one of them a band."""
    features = (Feature("rms", 0), Feature("band", 0, 1, 7), Feature("mean", 1))
    scales = (Standardize(4000, 16000, 0, 10), Standardize(5000, 9000, 1, 9), Standardize(-300, 300, 2, 4))
    if family == "gaussian":
        weights = np.array([[4096, 0, 0], [-900, 4000, 0], [50, 60, 5000]], dtype=np.int32)
        fitted = Gaussian(weights, np.array([12, 12, 12], dtype=np.int32)).scaled_to(200_000)
    else:
        centroids = np.array([[0, 0, 0], [200, -300, 100]], dtype=np.int32)
        fitted = KMeans(centroids, np.full(2, 2e5), *np.zeros((2, 2), np.int32)).scaled_to(16384)
    return Case(
        ModelParts(
            fitted.number, ("x", "y"), 16, 4, 400.0, features, scales, fitted.parameters(), Decision(2, 3, 200, 9),
            {"name": "a fan", "sensor": "LIS3DH"},
        )
    )  # fmt: skip


def smallest() -> Case:
    scales = (Standardize(0, 1, 0, 1),)
    family = Gaussian(np.ones((1, 1), np.int32), np.full(1, 6, np.int32))
    return Case(ModelParts(1, ("x",), 8, 8, 1.0, (Feature("mean", 0),), scales, family.parameters()))


def taken_apart(data: bytes) -> tuple[bytearray, Sections]:
    sections, at = [], 32
    while at < len(data) - 36:
        kind, flags, _, length = struct.unpack_from("<BBHI", data, at)
        sections.append((kind, flags, data[at + 8 : at + 8 + length]))
        at += 8 + (length + 3) // 4 * 4
    return bytearray(data[:32]), sections


def sealed(header: bytes, body: bytes) -> bytes:
    """A file whose length, SHA-256 and CRC-32 are right, whatever else is."""
    data = bytearray(header + body)
    struct.pack_into("<I", data, 8, len(data) + 36)
    data += hashlib.sha256(data).digest()
    return bytes(data + struct.pack("<I", zlib.crc32(data)))


def put_together(header: bytes, sections: Sections) -> bytes:
    body = b""
    for kind, flags, payload in sections:
        body += struct.pack("<BBHI", kind, flags, 0, len(payload)) + payload + b"\0" * (-len(payload) % 4)
    return sealed(header, body)


def changed(case: Case, change: Change) -> bytes:
    header, sections = taken_apart(case.data)
    change(header, sections)
    return put_together(header, sections)


def said(data: bytes) -> str:
    """What the reader says of a file, as the worker's parse_models words it; any other exception goes through."""
    try:
        modelfile.parse(data)
    except ModelError as error:
        return f"ModelError: {error}"
    return "ok"


def in_header(offset: int, form: str, value: int) -> Change:
    return lambda head, sections: struct.pack_into(form, head, offset, value)


def payload(kind: int, offset: int, form: str, *values: int) -> Change:
    """Overwrite numbers in a section."""

    def change(head: bytearray, sections: Sections) -> None:
        place = [section[0] for section in sections].index(kind)
        data = bytearray(sections[place][2])
        struct.pack_into(form, data, offset, *values)
        sections[place] = (kind, sections[place][1], bytes(data))

    return change


def resized(kind: int, by: int) -> Change:
    """Cut a section short, or add zeros to it."""

    def change(head: bytearray, sections: Sections) -> None:
        place = [section[0] for section in sections].index(kind)
        data = sections[place][2]
        sections[place] = (kind, sections[place][1], data[:by] if by < 0 else data + bytes(by))

    return change


def replaced(kind: int, data: bytes) -> Change:
    def change(head: bytearray, sections: Sections) -> None:
        sections[:] = [(k, flags, data if k == kind else own) for k, flags, own in sections]

    return change


def without(kind: int) -> Change:
    def change(head: bytearray, sections: Sections) -> None:
        sections[:] = [section for section in sections if section[0] != kind]

    return change


def doubled(kind: int) -> Change:
    return lambda head, sections: sections.append(next(section for section in sections if section[0] == kind))


def added(kind: int, flags: int) -> Change:
    return lambda head, sections: sections.append((kind, flags, b"news"))


REFUSED: dict[str, tuple[Change, str]] = {
    "no magic": (in_header(0, "<B", 0x62), "not an offbeat model"),
    "newer format": (in_header(4, "<B", 3), "format 3"),
    "older format": (in_header(4, "<B", 1), "format 1, from before the arithmetic changed"),
    "newest format": (in_header(4, "<B", 255), "format 255"),
    "format 0": (in_header(4, "<B", 0), "format 0"),
    "family 0": (in_header(5, "<B", 0), "family 0"),
    "unknown family": (in_header(5, "<B", 99), "family 99"),
    "other family": (in_header(5, "<B", 2), "centroids"),
    "no channels": (in_header(6, "<B", 0), "channels"),
    "33 channels": (in_header(6, "<B", 33), "channels"),
    "fewer channels than used": (in_header(6, "<B", 1), "channel"),
    "window 7": (in_header(12, "<H", 7), "window"),
    "window 1025": (in_header(12, "<H", 1025), "window"),
    "window of another spectrum": (in_header(12, "<H", 32), "sine table"),
    "window that has no spectrum": (in_header(12, "<H", 20), "power of two"),
    "hop 0": (in_header(14, "<H", 0), "hop"),
    "hop beyond the window": (in_header(14, "<H", 17), "hop"),
    "no rate": (in_header(16, "<I", 0), "rate"),
    "unknown section": (added(9, 0), "section 9"),
    "section 0": (added(0, 0), "section 0"),
    "section 255": (added(255, 2), "section 255"),
    **{f"no section {kind}": (without(kind), "lacks section") for kind in (1, 2, 4, 5, 6)},
    **{f"section {kind} twice": (doubled(kind), f"section {kind} stands twice") for kind in range(1, 8)},
    "meta without =": (replaced(META, b"name"), "'='"),
    "meta that is no text": (replaced(META, b"name=\xff\xfe"), "not text"),
    "no features": (replaced(FEATURES, b""), "feature list"),
    "256 features": (replaced(FEATURES, bytes(8 * 256)), "feature list"),
    "half a feature": (resized(FEATURES, -4), "feature list"),
    "feature kind 10": (payload(FEATURES, 0, "<B", 10), "feature kind 10"),
    "channel 2 of 2": (payload(FEATURES, 17, "<B", 2), "channel"),
    "channels out of order": (payload(FEATURES, 1, "<B", 1), "channel"),
    "band from bin 0": (payload(FEATURES, 10, "<H", 0), "spectrum"),
    "band of no bins": (payload(FEATURES, 12, "<H", 0), "spectrum"),
    "band beyond the last bin": (payload(FEATURES, 12, "<H", 8), "spectrum"),
    "band far beyond": (payload(FEATURES, 10, "<HH", 65535, 65535), "spectrum"),
    "no sine table": (without(SINE), "sine table"),
    "short sine table": (resized(SINE, -2), "sine table"),
    "long sine table": (resized(SINE, 2), "sine table"),
    "negative sine": (payload(SINE, 2, "<h", -1), "sine table"),
    "sine table that is none": (payload(SINE, 0, "<5h", *[16384] * 5), "sine table"),
    "sine table of another curve": (payload(SINE, 0, "<5h", 0, 3000, 11585, 16107, 16384), "holds no sine"),
    "sine table that starts with a cosine": (payload(SINE, 0, "<5h", 16384, 15137, 11585, 6270, 0), "holds no sine"),
    "short scales": (resized(STANDARDIZE, -8), "standardizing"),
    "long scales": (resized(STANDARDIZE, 8), "standardizing"),
    "centre too high": (payload(STANDARDIZE, 0, "<i", 2**29), "centre"),
    "centre too low": (payload(STANDARDIZE, 8, "<i", -(2**29)), "centre"),
    "multiplier 16384": (payload(STANDARDIZE, 4, "<H", 16384), "scale"),
    "first shift 16": (payload(STANDARDIZE, 6, "<B", 16), "scale"),
    "second shift 0": (payload(STANDARDIZE, 7, "<B", 0), "scale"),
    "second shift 16": (payload(STANDARDIZE, 23, "<B", 16), "scale"),
    "short parameters": (resized(PARAMETERS, -2), "parameters"),
    "long parameters": (resized(PARAMETERS, 4), "parameters"),
    "no parameters": (replaced(PARAMETERS, b""), "parameters"),
    "parameters of 4 features": (payload(PARAMETERS, 0, "<H", 4), "scale"),
    "reduce 31": (payload(PARAMETERS, 4, "<H", 31), "scale"),
    "gain 32768": (payload(PARAMETERS, 6, "<H", 32768), "scale"),
    "shift 5": (payload(PARAMETERS, 8, "<B", 5), "shift"),
    "shift 25": (payload(PARAMETERS, 10, "<B", 25), "shift"),
    "row sum 65536": (payload(PARAMETERS, 14, "<hh", -32768, -32768), "overflow"),
    "k 0": (payload(DECISION, 0, "<B", 0), "decision"),
    "k above n": (payload(DECISION, 0, "<B", 4), "decision"),
    "n 17": (payload(DECISION, 1, "<B", 17), "decision"),
    "release 257": (payload(DECISION, 2, "<H", 257), "decision"),
    "short decision": (resized(DECISION, -1), "decision"),
    "long decision": (resized(DECISION, 1), "decision"),
    "golden vectors cut": (resized(GOLDEN, -4), "golden"),
    "golden vectors too long": (resized(GOLDEN, 4), "golden"),
    "more golden vectors than there are": (payload(GOLDEN, 0, "<H", 65535), "golden"),
    "golden vectors without a count": (replaced(GOLDEN, b"\1\0"), "golden"),
}
REFUSED_KMEANS: dict[str, tuple[Change, str]] = {
    "no centroids": (payload(PARAMETERS, 0, "<H", 0), "centroids"),
    "256 centroids": (payload(PARAMETERS, 0, "<H", 256), "centroids"),
    "more centroids than there are": (payload(PARAMETERS, 0, "<H", 3), "centroids"),
    "centroids of 4 features": (payload(PARAMETERS, 2, "<H", 4), "centroids"),
    "centroid's reduce 31": (payload(PARAMETERS, 8, "<H", 31), "scale of a centroid"),
    "centroid's gain 32768": (payload(PARAMETERS, 6, "<H", 32768), "scale of a centroid"),
    "centroids cut": (resized(PARAMETERS, -2), "centroids"),
    "centroids without a head": (replaced(PARAMETERS, b"\1\0"), "centroids"),
}


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_KMEANS])
def test_a_sealed_file_that_is_wrong_is_refused(workers: list[Worker], name: str) -> None:
    if name in REFUSED:
        (change, why), case = REFUSED[name], with_golden(small())
    else:
        (change, why), case = REFUSED_KMEANS[name], small("kmeans")
    data = changed(case, change)
    assert said(data).startswith("ModelError: ")
    assert why in said(data)
    for worker in workers:
        assert worker.ask_each("parse_models", [data]) == [said(data).encode()]


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(drawn=cases())
def test_round_trip(workers: list[Worker], drawn: tuple[Case, NDArray[np.int16]]) -> None:
    case, _ = drawn
    parts, model, pipeline = case.parts, case.model, case.pipeline
    assert model.identity == hashlib.sha256(case.data[:-36]).hexdigest()[:16]
    assert (model.family, model.channels) == (parts.family, len(parts.channels))
    assert (model.window, model.hop, model.rate_millihertz) == (parts.window, parts.hop, 1000 * parts.rate)
    assert model.meta == {**parts.meta, "channels": ",".join(parts.channels)}
    assert model.name == "random"
    assert pipeline.features == parts.features
    assert pipeline.standardize == parts.standardize
    assert pipeline.family.parameters() == parts.parameters
    assert pipeline.decision == parts.decision
    assert worker_says_ok(workers, case.data)


def worker_says_ok(workers: list[Worker], data: bytes) -> bool:
    return all(worker.ask_each("parse_models", [data]) == [b"ok"] for worker in workers)


def test_golden_vectors_come_back() -> None:
    case = with_golden(small())
    found = case.model.golden_windows()
    assert len(found) == len(case.parts.golden) == 3
    for (features, score, window), golden in zip(found, case.parts.golden, strict=True):
        assert np.frombuffer(features, "<i4").tolist() == golden.features.tolist()
        assert score == golden.score
        assert np.array_equal(np.frombuffer(window, "<i2").reshape(golden.window.shape), golden.window)
    assert small().model.golden_windows() == []


def test_the_identity_is_that_of_the_content() -> None:
    assert small().model.identity == small().model.identity != small("kmeans").model.identity


@pytest.mark.parametrize("family", ["gaussian", "kmeans"])
def test_every_truncation_and_every_byte_too_many_is_refused(workers: list[Worker], family: str) -> None:
    data = with_golden(small(family), 1).data
    files = [data[:length] for length in range(len(data))] + [data + b"\0", data + data]
    assert {said(file).partition(":")[0] for file in files} == {"ModelError"}
    for worker in workers:
        assert worker.ask_each("parse_models", files) == [said(file).encode() for file in files]


def test_every_flipped_bit_is_refused(workers: list[Worker]) -> None:
    data = smallest().data
    files = []
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        files.append(bytes(damaged))
    assert {said(file).partition(":")[0] for file in files} == {"ModelError"}
    for worker in workers:
        assert worker.ask_each("parse_models", files) == [said(file).encode() for file in files]


def test_a_wrong_sha_under_a_right_crc_is_refused(workers: list[Worker]) -> None:
    data = bytearray(small().data)
    data[-10] ^= 1
    data[-4:] = struct.pack("<I", zlib.crc32(data[:-4]))
    assert "SHA-256" in said(bytes(data))
    assert all(w.ask_each("parse_models", [bytes(data)]) == [said(bytes(data)).encode()] for w in workers)


def test_a_section_that_claims_too_much_is_refused(workers: list[Worker]) -> None:
    head, sections = taken_apart(small().data)
    body = put_together(head, sections)[32:-36]
    files = [sealed(head, body + rest) for rest in (b"\1", b"\1\0\0\0", b"\7\1\0\0\0\0\0", bytes(7))]
    for length in (1, 2**16, 2**31 - 4, 2**32 - 8, 2**32 - 1):
        files.append(sealed(head, body + struct.pack("<BBHI", 7, 1, 0, length)))
        files.append(sealed(head, struct.pack("<BBHI", 1, 0, 0, length) + body[8:]))
    assert {said(file).partition(":")[0] for file in files} == {"ModelError"}
    for worker in workers:
        assert worker.ask_each("parse_models", files) == [said(file).encode() for file in files]


def test_what_a_reader_may_pass_over_is_passed_over(workers: list[Worker]) -> None:
    case = small()
    for kind in (9, 200, 255, 0):
        data = changed(case, added(kind, 1))
        model = modelfile.parse(data)
        assert model.identity != case.model.identity
        assert (model.features, model.decision) == (case.model.features, case.model.decision)
        assert worker_says_ok(workers, data)


def test_a_file_that_is_not_there_is_an_oserror(tmp_path: object) -> None:
    with pytest.raises(OSError):
        modelfile.load(f"{tmp_path}/model.beat")


@pytest.mark.parametrize("window", BAND_WINDOWS)
def test_every_true_sine_table_is_taken(window: int) -> None:
    """The bound that a table has to keep leaves room for rounding."""
    model = smallest().parts
    scales, bands = model.standardize, (Feature("band", 0, 1, window // 2 - 1),)
    case = Case(ModelParts(1, ("x",), window, window, 1.0, bands, scales, model.parameters))
    assert np.array_equal(case.pipeline.sine, sine_table(window))


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(drawn=cases(longest=64), data=st.data())
def test_whatever_parses_is_safe_to_score_with(
    workers: list[Worker], drawn: tuple[Case, NDArray[np.int16]], data: st.DataObject
) -> None:
    """Random bytes in sections of a sealed file: refused with a reason, or scored within range and alike everywhere."""
    case, _ = drawn
    head, sections = taken_apart(case.data)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(1, len(sections) - 1))  # 0 is the text
        kind, flags, content = sections[place]
        at, value = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 255))
        sections[place] = (kind, flags, content[:at] + bytes([value]) + content[at + 1 :])
    file = put_together(head, sections)
    answer = said(file)
    for worker in workers:
        assert worker.ask_each("parse_models", [file]) == [answer.encode()]
    event(answer)
    if answer != "ok":
        return
    pipeline = Pipeline(model := modelfile.parse(file))
    window = make_window(("square wave",) * model.channels, model.window, data.draw(st.integers(0, 999)))
    features = pipeline.extract(window[None])
    score = int(pipeline.family.score(pipeline.vectors(features))[0])
    detector = checked.device("detector").Detector(model)
    assert detector.measure(array("h", window.ravel().tolist()), 0, model.window) == score
    for worker in workers:
        worker.load(file)
        found = worker.measure(window, 0, len(pipeline.features))
        assert found.features.tolist() == features[0].tolist(), worker.kernels
        assert found.score == score, worker.kernels


@pytest.mark.parametrize("window", [16, 128, 1024])
def test_the_wildest_sine_table_that_is_taken_stays_in_range(workers: list[Worker], window: int) -> None:
    """A sealed file may hold a table that is a little off; what the reader lets through cannot overflow."""
    model = smallest().parts
    bands = (Feature("band", 0, 1, window // 2 - 1),)
    case = Case(ModelParts(1, ("x",), window, window, 1.0, bands, model.standardize, model.parameters))
    for sign in (1, -1):
        table = sine_table(window).astype("<i2")
        for i in range(len(table)):  # each entry as far off as it may be, one after the other
            for off in (2, 1):
                other = table.copy()
                other[i] += sign * off
                if said(changed(case, replaced(SINE, other.tobytes()))) == "ok":
                    table = other
                    break
        assert not np.array_equal(table, sine_table(window))
        parsed = modelfile.parse(changed(case, replaced(SINE, table.tobytes())))
        for shape in ("alternating extremes", "square wave", "step", "impulses", "full scale noise"):
            window_counts = make_window((shape,), window, 3)
            detector = checked.device("detector").Detector(parsed)
            score = detector.measure(array("h", window_counts.ravel().tolist()), 0, window)
            assert score == Pipeline(parsed).score(window_counts[None])[0]
