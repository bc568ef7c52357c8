"""What may run a model: ONNX Runtime's execution providers by the names that people type.

Each accelerator comes with a package of its own, which takes the place of plain ``onnxruntime``. Not here:
the runtime itself (``onnxfile``).
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from streamdeep.errors import ConfigurationError, MissingDependencyError

ProviderName = Literal["cpu", "cuda", "tensorrt", "coreml", "directml", "openvino"]


@dataclass(frozen=True, slots=True)
class Provider:
    """One of them.

    Attributes:
        onnxruntime_name: what ONNX Runtime calls it.
        install: what brings it.
        options: what it is started with.
    """

    onnxruntime_name: str
    install: str
    options: dict[str, Any] = field(default_factory=dict)


_INSTEAD = "pip uninstall onnxruntime and pip install"
# TensorFloat-32 has 10 bits of mantissa, which the golden tolerance would not forgive.
_PROVIDERS: dict[str, Provider] = {
    "cpu": Provider("CPUExecutionProvider", "pip install onnxruntime"),
    "cuda": Provider("CUDAExecutionProvider", f"{_INSTEAD} onnxruntime-gpu", {"use_tf32": "0"}),
    "tensorrt": Provider(
        "TensorrtExecutionProvider", f"{_INSTEAD} onnxruntime-gpu and install TensorRT"
    ),
    "coreml": Provider("CoreMLExecutionProvider", "use onnxruntime on macOS, which has it"),
    "directml": Provider("DmlExecutionProvider", f"on Windows {_INSTEAD} onnxruntime-directml"),
    "openvino": Provider("OpenVINOExecutionProvider", f"{_INSTEAD} onnxruntime-openvino"),
}


def find_provider(name: str, available: Collection[str]) -> Provider:
    """The provider of a name.

    Args:
        name: a :data:`ProviderName`.
        available: what the installed ONNX Runtime has, in its own words.

    Raises:
        ConfigurationError: no such name.
        MissingDependencyError: the installed ONNX Runtime is without it; says what it has and what to install.
    """
    if name not in _PROVIDERS:
        raise ConfigurationError(
            f"there is no provider {name!r}; choose {', '.join(get_args(ProviderName))}"
        )
    provider = _PROVIDERS[name]
    if provider.onnxruntime_name not in available:
        raise MissingDependencyError(
            f"the installed ONNX Runtime has no provider {name}, only {installed(available)}; "
            f"{provider.install}, or leave out --provider"
        )
    return provider


def installed(available: Collection[str]) -> str:
    """The names of those that are there."""
    return ", ".join(
        name for name, provider in _PROVIDERS.items() if provider.onnxruntime_name in available
    )


def not_started(name: str) -> MissingDependencyError:
    """What to say where a provider is installed and does not start."""
    return MissingDependencyError(
        f"the provider {name} is installed but does not start on this machine; see that its driver and "
        "libraries are there and fit the package, or leave out --provider"
    )
