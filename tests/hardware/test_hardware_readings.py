"""Readings of GPU and host."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from pathlib import Path

import pynvml
import pytest
from strict_nvml import Gpu, StrictNvml

from vigil.hardware.gpu import GpuReader
from vigil.hardware.host import HostReader
from vigil.hardware.reader import HardwareReader
from vigil.hardware.signals import HARDWARE_SIGNALS
from vigil.shipping.transport import MemoryTransport
from vigil.tap import Tap
from vigil.windows.window import Window

THERMAL, POWER_CAP = 0x40, 0x4


def test_one_gpu_is_read_in_our_units():
    nvml = StrictNvml(Gpu(use=80, used=2e9, total=8e9, milliwatts=71_500, celsius=63, errors=2))
    assert GpuReader(nvml, visible="").read() == {
        "gpu_utilisation": 0.8,
        "gpu_memory": 0.25,
        "gpu_power_w": 71.5,
        "gpu_temperature_c": 63.0,
        "gpu_ecc_errors": 2.0,
        "gpu_throttled": 0.0,
    }


def test_several_are_told_together():
    """Mean use, fullest memory, power and errors summed, the hottest, and whether any is slowed:
    by heat, not by the usual power cap."""
    nvml = StrictNvml(Gpu(use=20, celsius=40, reasons=POWER_CAP), Gpu(use=60, errors=3, used=6e9))
    found = GpuReader(nvml, visible="").read()
    assert (found["gpu_utilisation"], found["gpu_memory"]) == (0.4, 0.75)
    assert (found["gpu_power_w"], found["gpu_temperature_c"]) == (140.0, 60.0)
    assert (found["gpu_ecc_errors"], found["gpu_throttled"]) == (3.0, 0.0)
    hot = StrictNvml(Gpu(reasons=POWER_CAP), Gpu(reasons=THERMAL))
    assert GpuReader(hot, visible="").read()["gpu_throttled"] == 1.0


@pytest.mark.parametrize(
    ("visible", "watts"),
    [
        ("", 3.0),
        ("0", 1.0),
        ("1", 2.0),
        ("1,0", 3.0),
        ("GPU-0", 1.0),
        ("MIG-1", 3.0),
        ("1,-1", 2.0),
    ],
)
def test_only_the_gpus_that_this_process_sees(visible, watts):
    nvml = StrictNvml(Gpu(milliwatts=1000), Gpu(milliwatts=2000))
    assert GpuReader(nvml, visible=visible).read()["gpu_power_w"] == watts


def test_a_reading_that_a_gpu_does_not_support_is_left_out():
    nvml = StrictNvml(Gpu(lacks=("nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetPowerUsage")))
    found = GpuReader(nvml, visible="").read()
    assert {"gpu_ecc_errors", "gpu_power_w"} & set(found) == set()
    assert len(found) == 4


@pytest.mark.parametrize(
    ("nvml", "why"),
    [
        (StrictNvml(driver=False), "no GPU can be read"),
        (StrictNvml(), "no GPU is visible"),
        (None, "no GPU"),
    ],
)
def test_without_a_gpu_it_says_so_and_reads_nothing(nvml, why):
    """Without a driver, without a device; the real library says the same on a machine without."""
    if nvml is None:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            pass
        else:
            pytest.skip("this machine has a GPU")
    reader = GpuReader(nvml, visible="")
    assert why in reader.problem
    assert reader.read() == {}


def a_proc(folder: Path, busy: int, idle: int) -> Path:
    (folder / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 {busy} 0\ncpu0 1 1 1 1\n")
    (folder / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n")
    (folder / "loadavg").write_text("3.00 2.00 1.00 1/100 42\n")
    return folder


def test_the_host_is_read_from_proc(tmp_path: Path):
    """Time is that since the last reading; guests' time, which counts twice there, counts once."""
    reader = HostReader(a_proc(tmp_path, 100, 100), cores=2)
    assert reader.read() == {"host_memory": 0.75, "host_load": 1.5}
    a_proc(tmp_path, 130, 110)
    assert reader.read()["host_cpu"] == 0.75


def test_what_can_not_be_read_is_left_out(tmp_path: Path):
    reader = HostReader(a_proc(tmp_path, 1, 1), cores=1)
    (tmp_path / "meminfo").write_text("nonsense")
    (tmp_path / "stat").unlink()
    assert reader.read() == {"host_load": 3.0}


def test_this_machine_is_read():
    reader = HostReader()
    reader.read()
    sum(range(2_000_000))
    found = reader.read()
    assert 0 < found["host_memory"] < 1
    assert 0 <= found["host_cpu"] <= 1


def until_there(reader: HardwareReader) -> dict[str, float]:
    """The first readings."""
    ends = time.monotonic() + 10
    while not (found := dict(reader.latest())):
        assert time.monotonic() < ends, reader.problem
        time.sleep(0.01)
    return found


def test_readings_go_with_records(caplog: pytest.LogCaptureFixture):
    """As signals of their own; a machine without a GPU says so once, and has its host's."""
    transport = MemoryTransport()
    reader = HardwareReader(gpu=lambda: GpuReader(StrictNvml(Gpu(use=80)), visible=""))
    tap = Tap("m", "v1", transport=transport, signals=HARDWARE_SIGNALS)
    try:
        until_there(reader)
        tap.record(outputs=[1, 2], signals=reader.latest())
        assert tap.flush(20)
    finally:
        tap.close()
    (blob, *_) = transport.windows.values()
    sample = Window.from_bytes(blob).sample
    column = sample.signal_names.index("gpu_utilisation")
    assert sample.signals[:, column].tolist() == pytest.approx([0.8, 0.8])
    assert 0 < sample.signals[0, sample.signal_names.index("host_memory")] < 1
    with caplog.at_level(logging.INFO, logger="vigil"):
        alone = HardwareReader(gpu=lambda: GpuReader(StrictNvml(driver=False), visible=""))
        for _ in range(3):
            assert "host_load" in until_there(alone)
    assert caplog.text.count("no readings of a GPU") == 1


def test_old_readings_are_none():
    """Where the hardware hangs, no record says what it no longer knows."""
    now = [0.0]
    reader = HardwareReader(
        gpu=lambda: GpuReader(StrictNvml(driver=False), visible=""), monotonic=lambda: now[0]
    )
    until_there(reader)
    now[0] = 10.5
    assert reader.latest() == {}


def test_more_often_than_once_a_second_is_refused():
    with pytest.raises(ValueError, match="expected 1 or more"):
        HardwareReader(every_s=0.5)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_after_a_fork_the_child_reads_for_itself():
    reader = HardwareReader(gpu=lambda: GpuReader(StrictNvml(driver=False), visible=""))
    until_there(reader)
    said, heard = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        try:
            heard.send(sorted(until_there(reader)))
        finally:
            os._exit(0)
    assert said.poll(20)
    assert "host_load" in said.recv()
    os.waitpid(child, 0)


def test_every_reading_is_a_declared_signal():
    nvml = StrictNvml(Gpu())
    found = {*GpuReader(nvml, visible="").read(), *HostReader().read(), "host_cpu"}
    assert found == {one.name for one in HARDWARE_SIGNALS}
    assert all(one.low < one.high and one.unit for one in HARDWARE_SIGNALS)
