"""Which CUDA devices there are, asked of the driver itself: no runtime is imported, no context is made."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
_LIBRARY = "libcuda.so.1"


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """A GPU as the driver names it. `capability` e.g. (8, 9); `driver` is the CUDA version that it supports."""

    name: str
    capability: tuple[int, int]
    driver: str

    @property
    def model(self) -> str:
        """Its name and architecture, which engines are built for."""
        return f"{self.name} sm_{self.capability[0]}{self.capability[1]}"

    @property
    def fingerprint(self) -> str:
        """What compiled code for it depends on."""
        return f"{self.model} driver {self.driver}"


class NoCudaDevice(Exception):
    """There is none; the message says why."""


def cuda_devices(library: str = _LIBRARY) -> tuple[CudaDevice, ...]:
    """At least one device, in the driver's order.

    Raises:
        NoCudaDevice: no driver, or no device that this process may use.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise NoCudaDevice(f"no CUDA device: the driver's library {library} is not there") from error
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    if code := driver.cuInit(0):
        raise NoCudaDevice(f"no CUDA device: the driver answers error {code} to cuInit")
    driver.cuDriverGetVersion(ctypes.byref(version))
    driver.cuDeviceGetCount(ctypes.byref(count))
    if count.value == 0:
        raise NoCudaDevice("no CUDA device: the driver sees none")
    words = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return tuple(_device(driver, index, words) for index in range(count.value))


def _device(driver: ctypes.CDLL, index: int, version: str) -> CudaDevice:
    handle, major, minor = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(handle), index)
    driver.cuDeviceGetName(name, len(name), handle)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, handle)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, handle)
    return CudaDevice(name.value.decode("utf-8", "replace"), (major.value, minor.value), version)
