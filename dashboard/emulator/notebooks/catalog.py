"""Flavors and images, with names from the documents or similar ones.

Source: ``modelarts-notebooks.openapi.yaml`` (Flavor, Image) and the samples.
"""

from dataclasses import dataclass
from typing import Any

from dashboard.emulator.people import fixed_id


@dataclass(frozen=True)
class NotebookFlavor:
    """A flavor.

    Attributes:
        category: CPU, GPU or ASCEND.
        accelerators: Number, type and memory in GB of the GPUs or NPUs.
        storages: Types of volumes it can mount.
        sold_out: A start or creation is refused with 6716.
    """

    id: str
    name: str
    category: str
    vcpus: int
    memory_gb: int
    accelerators: tuple[int, str, int] | None = None
    storages: tuple[str, ...] = ("EVS", "OBSFS", "EFS", "OBS")
    sold_out: bool = False
    free: bool = False

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "arch": "aarch64" if self.category == "ASCEND" else "x86_64",
            "billing": {"code": self.id, "unit_num": 1},
            "category": self.category,
            "description": f"{self.name}, for development and debugging",
            "feature": "NOTEBOOK",
            "free": self.free,
            "id": self.id,
            "memory": self.memory_gb * 1024 * 1024,
            "name": self.name,
            "sold_out": self.sold_out,
            "storages": list(self.storages),
            "vcpus": self.vcpus,
        }
        if self.accelerators is not None and self.category == "GPU":
            number, kind, memory = self.accelerators
            document["gpu"] = {"gpu": number, "gpu_memory": f"{memory}GB", "type": kind}
        if self.accelerators is not None and self.category == "ASCEND":
            number, kind, memory = self.accelerators
            document["ascend"] = {
                "npu": number,
                "npu_memory": f"{memory}GB",
                "type": kind,
            }
        return document


FLAVORS = {
    flavor.id: flavor
    for flavor in (
        NotebookFlavor("modelarts.vm.cpu.2u", "CPU: 2 vCPUs 8 GB", "CPU", 2, 8),
        NotebookFlavor("modelarts.vm.cpu.8u", "CPU: 8 vCPUs 32 GB", "CPU", 8, 32),
        NotebookFlavor(
            "modelarts.vm.cpu.free", "CPU: 2 vCPUs 8 GB, free", "CPU", 2, 8, free=True
        ),
        NotebookFlavor(
            "modelarts.vm.gpu.v100",
            "GPU: 1*V100(32GB) CPU: 8 vCPUs 64 GB",
            "GPU",
            8,
            64,
            (1, "V100", 32),
        ),
        NotebookFlavor(
            "modelarts.vm.gpu.t4",
            "GPU: 1*T4(16GB) CPU: 8 vCPUs 32 GB",
            "GPU",
            8,
            32,
            (1, "T4", 16),
        ),
        NotebookFlavor(
            "modelarts.bm.gpu.a100NV80",
            "GPU: 1*A100(80GB) CPU: 12 vCPUs 120 GB",
            "GPU",
            12,
            120,
            (1, "A100", 80),
            sold_out=True,
        ),
        NotebookFlavor(
            "modelarts.bm.snt9.xlarge.2",
            "Ascend: 1*Snt9 ARM: 24 vCPUs 96 GB",
            "ASCEND",
            24,
            96,
            (1, "Snt9", 32),
            storages=("EFS",),
        ),
    )
}


@dataclass(frozen=True)
class NotebookImage:
    """An image, and where it may run."""

    id: str
    name: str
    tag: str
    categories: tuple[str, ...]
    type: str = "BUILD_IN"

    @property
    def arch(self) -> str:
        return "aarch64" if self.categories == ("ASCEND",) else "x86_64"

    @property
    def swr_path(self) -> str:
        return f"swr.eu-de.example.com/atelier/{self.name}:{self.tag}"

    def document(self) -> dict[str, Any]:
        return {
            "arch": self.arch,
            "description": "",
            "id": self.id,
            "name": self.name,
            "swr_path": self.swr_path,
            "tag": self.tag,
            "type": self.type,
        }


def _uuid(name: str) -> str:
    digits = fixed_id("image", name)
    return "-".join(
        (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    )


IMAGES = {
    image.id: image
    for image in (
        # The id of the printed samples.
        NotebookImage(
            "e1a07296-22a8-4f05-8bc8-e936c8e54090",
            "notebook2.0-mul-kernel-cpu-cp36",
            "3.3.2-release_v1",
            ("CPU",),
        ),
        NotebookImage(
            _uuid("pytorch"), "pytorch2.1-cuda12.1-py310", "1.4.0", ("CPU", "GPU")
        ),
        NotebookImage(_uuid("mindspore"), "mindspore2.3-cann8.0", "2.3.1", ("ASCEND",)),
        NotebookImage(
            _uuid("team"), "team-forecasting", "2026-09", ("CPU", "GPU"), "DEDICATED"
        ),
    )
}


def images_for(flavor: NotebookFlavor) -> list[NotebookImage]:
    return [image for image in IMAGES.values() if flavor.category in image.categories]
