"""Flavors and work environments, with names from the documents or similar ones.

Source: ``docs/modelarts-api.md``, A.3 (names) and A.6 (tables 6 to 10).
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Flavor:
    """A flavor (table 10).

    Attributes:
        name: As in ``Instance.flavor``.
        kind: Hardware: ``CPU``, ``GPU`` or ``Ascend``.
        storage: Storage types it can mount.
        sold_out: A free flavor then queues, any other is refused (6329).
        free: ``promo_type`` is ``Free``.
        extra: Further members of flavor_details.
    """

    name: str
    kind: str
    params: dict[str, Any]
    storage: tuple[str, ...] = ("obs", "evs")
    sold_out: bool = False
    free: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def details(self) -> dict[str, Any]:
        """Return ``flavor_details``, with queue figures if sold out and free."""
        details: dict[str, Any] = {
            "name": self.name,
            "params": self.params,
            "status": "soldOut" if self.sold_out else "onSale",
            "storage_list": list(self.storage),
            # Tables say ASCEND, samples Ascend (A.10); the catalog has both.
            "type": self.kind,
            "is_permitted": True,
            "promo_type": "Free" if self.free else "NoDiscount",
            "store_time": 72 if self.free else -1,
            **self.extra,
        }
        if self.free and self.sold_out:
            details |= {"queuing_num": 7, "queue_left_time": 1_560, "duration": 3_600}
        return details


@dataclass(frozen=True)
class Profile:
    """A work environment (tables 6 to 9).

    Attributes:
        kinds: Hardware it runs on.
        id: In answers, a UUID for some; empty if it is the name.
        create_id: In a create request; empty if it is the name.
    """

    name: str
    description: str
    kinds: tuple[str, ...]
    category: str
    image_name: str
    image_tag: str
    id: str = ""
    create_id: str = ""

    def is_called(self, profile_id: str) -> bool:
        """Return whether a create request may use this id."""
        return profile_id in {self.create_id or self.name, self.id or self.name}

    def document(self, kind: str) -> dict[str, Any]:
        """Return ``Instance.profile`` for an instance on this hardware."""
        return {
            "de_type": "Notebook",
            "description": self.description,
            "flavor_type": kind,
            "id": self.id or self.name,
            "name": self.name,
            "provision": {
                "annotations": {"category": self.category, "type": "system"},
                "spec": {
                    "engine": "CCE",
                    "params": {
                        "annotations": None,
                        "image_name": self.image_name,
                        "image_tag": self.image_tag,
                        "namespace": "atelier",
                    },
                },
                "type": "Docker",
            },
        }


def _gpu(cpu: int, gpu: int, kind: str, memory: int, graphics: int) -> dict[str, Any]:
    return {
        "CPU": cpu,
        "GPU": gpu,
        "gpu_type": kind,
        "memory": f"{memory}GiB",
        "graphics_memory": f"{graphics}GiB",
    }


def _ascend(cpu: int, npu: int, memory: int) -> dict[str, Any]:
    return {
        "CPU": cpu,
        "NPU": npu,
        "type": "Ascend 910",
        "memory": f"{memory}GiB",
        "graphics_memory": "32GiB",
    }


FLAVORS = {
    flavor.name: flavor
    for flavor in (
        Flavor("modelarts.vm.cpu.2u", "CPU", {"CPU": 2, "memory": "8GiB"}),
        Flavor("modelarts.vm.cpu.8u", "CPU", {"CPU": 8, "memory": "32GiB"}),
        Flavor(
            "modelarts.vm.cpu.16u",
            "CPU",
            {"CPU": 16, "memory": "64GiB"},
            extra={
                "billing_flavor": "modelarts.vm.cpu.8u",
                "billing_params": 2,
                "params_extends": {"arch": "x86_64", "cpu": 16},
            },
        ),
        Flavor(
            "modelarts.vm.cpu.free",
            "CPU",
            {"CPU": 2, "memory": "8GiB"},
            sold_out=True,
            free=True,
        ),
        Flavor("modelarts.vm.gpu.p100", "GPU", _gpu(8, 1, "p100", 64, 16)),
        Flavor("modelarts.vm.gpu.v100", "GPU", _gpu(8, 1, "v100", 64, 32)),
        Flavor("modelarts.bm.gpu.v100NV32", "GPU", _gpu(8, 1, "v100NV32", 64, 32)),
        Flavor("modelarts.bm.gpu.8v100NV32", "GPU", _gpu(72, 8, "v100NV32", 512, 256)),
        Flavor(
            "modelarts.bm.gpu.a100NV80",
            "GPU",
            _gpu(12, 1, "a100NV80", 120, 80),
            sold_out=True,
        ),
        Flavor(
            "modelarts.vm.gpu.free",
            "GPU",
            _gpu(8, 1, "p100", 64, 16),
            sold_out=True,
            free=True,
        ),
        Flavor(
            "modelarts.kat1.xlarge",
            "Ascend",
            _ascend(24, 1, 96),
            storage=("obs", "efs"),
        ),
        Flavor(
            "modelarts.kat1.8xlarge",
            "ASCEND",
            _ascend(192, 8, 768),
            storage=("obs", "efs"),
        ),
    )
}

PROFILES = (
    Profile(
        name="Multi-Engine 1.0 (python3)-cpu",
        description="multi engine, cpu, python 3.6 for notebook",
        kinds=("CPU",),
        category="Multi-Engine 1.0 (Python3, Recommended)",
        image_name="mul-kernel-cpu-cp36",
        image_tag="2.0.5-B003",
    ),
    Profile(
        name="Multi-Engine 1.0 (python3)-gpu",
        description="multi engine, gpu, python 3.6 for notebook",
        kinds=("GPU",),
        category="Multi-Engine 1.0 (python3)",
        image_name="mul-kernel-gpu-cuda-cp36",
        image_tag="2.0.5-B003",
    ),
    Profile(
        name="Multi-Engine 2.0 (python3)",
        description="multi engine, python 3.7 for notebook",
        kinds=("CPU", "GPU"),
        category="Multi-Engine 2.0 (python3)",
        image_name="mul-kernel-cuda-cp37",
        image_tag="3.1.1-B010",
    ),
    Profile(
        # The document spells the request's name and the answer's differently.
        create_id="Ascend-Power-Engine 1.0(python3)",
        id="efa847c0-7359-11eb-b34f-0255ac100057",
        name="Ascend-Powered-Engine 1.0 (python3)",
        description="Ascend 910, python 3.7/3.6 for notebook",
        kinds=("Ascend",),
        category="Ascend-Powered-Engine 1.0 (Python3)",
        image_name="mul-kernel-d910-arm-cp37",
        image_tag="3.1.0-c76-2-test",
    ),
)


def hardware(flavor: Flavor) -> str:
    """Return the flavor's hardware as profiles spell it: CPU, GPU or Ascend."""
    return "Ascend" if flavor.kind.upper() == "ASCEND" else flavor.kind


def profiles_for(flavor: Flavor) -> list[Profile]:
    return [profile for profile in PROFILES if hardware(flavor) in profile.kinds]
