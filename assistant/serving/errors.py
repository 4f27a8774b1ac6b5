"""What can go wrong while a model is fetched, started, used offline or converted.

HuoziError
└── ServingError
    ├── ModelFilesError      a path that holds no usable model
    ├── DownloadError        a hub does not give the files
    │   └── DiskSpaceError   they would not fit
    ├── EngineMissingError   the engine, or a part of it, is not installed
    ├── EngineUnfitError     the engine cannot do what is asked of it
    ├── NoGpuError           it needs a GPU and there is none
    ├── PortTakenError       somebody listens there, or the address is not ours
    ├── OpenServerError      it would be open to the network without a key
    ├── EngineFailedError    it ended, or was not ready in time
    ├── BatchFileError       lines of a batch that cannot be read
    └── ConversionError      a converter failed
"""

from __future__ import annotations

from retrieval.errors import HuoziError


class ServingError(HuoziError):
    """A model cannot be fetched, started, used offline or converted."""

    code = "serving_error"


class ModelFilesError(ServingError):
    """A path holds no usable model."""

    code = "model_files"


class DownloadError(ServingError):
    """A hub does not give the files."""

    code = "download_failed"
    retryable = True


class DiskSpaceError(DownloadError):
    """The files would not fit on the disk."""

    code = "disk_space"
    retryable = False


class EngineMissingError(ServingError):
    """The engine, or a part of it, is not installed."""

    code = "engine_missing"


class EngineUnfitError(ServingError):
    """The engine cannot do what is asked of it."""

    code = "engine_unfit"


class NoGpuError(ServingError):
    """The engine needs a GPU and there is none."""

    code = "no_gpu"


class PortTakenError(ServingError):
    """Somebody listens there already, or the address is not this machine's."""

    code = "port_taken"


class OpenServerError(ServingError):
    """The model server would be open to the network without a key."""

    code = "open_server"


class EngineFailedError(ServingError):
    """The engine ended while it started or worked, or was not ready in time."""

    code = "engine_failed"


class BatchFileError(ServingError):
    """A batch file has lines that cannot be read."""

    code = "bad_batch"


class ConversionError(ServingError):
    """A converter failed."""

    code = "conversion_failed"
