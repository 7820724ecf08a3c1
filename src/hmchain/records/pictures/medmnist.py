"""MedMNIST v2 (Yang et al., Scientific Data 10:41, 2023, CC BY 4.0): names, classes and where the files come from."""

from __future__ import annotations

import importlib
from pathlib import Path

from hmchain.records.pictures.imageset import DatasetUnavailableError

CREDIT = "MedMNIST v2, Yang et al., Scientific Data 10:41 (2023), CC BY 4.0"

_ORGANS = (
    "bladder",
    "femur left",
    "femur right",
    "heart",
    "kidney left",
    "kidney right",
    "liver",
    "lung left",
    "lung right",
    "pancreas",
    "spleen",
)
CLASSES: dict[str, tuple[str, ...]] = {
    "bloodmnist": (
        "basophil",
        "eosinophil",
        "erythroblast",
        "immature granulocytes",
        "lymphocyte",
        "monocyte",
        "neutrophil",
        "platelet",
    ),
    "breastmnist": ("malignant", "normal or benign"),
    "dermamnist": (
        "actinic keratoses",
        "basal cell carcinoma",
        "benign keratosis-like lesions",
        "dermatofibroma",
        "melanoma",
        "melanocytic nevi",
        "vascular lesions",
    ),
    "octmnist": ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    "organamnist": _ORGANS,
    "organcmnist": _ORGANS,
    "organsmnist": _ORGANS,
    "pathmnist": (
        "adipose",
        "background",
        "debris",
        "lymphocytes",
        "mucus",
        "smooth muscle",
        "normal colon mucosa",
        "cancer-associated stroma",
        "colorectal adenocarcinoma epithelium",
    ),
    "pneumoniamnist": ("normal", "pneumonia"),
    "retinamnist": ("grade 0", "grade 1", "grade 2", "grade 3", "grade 4"),
    "tissuemnist": (
        "collecting duct, connecting tubule",
        "distal convoluted tubule",
        "glomerular endothelial cells",
        "interstitial endothelial cells",
        "leukocytes",
        "podocytes",
        "proximal tubule segments",
        "thick ascending limb",
    ),
}
"""The sets of flat images with one label each, and the names of their labels 0, 1, ..."""


def find(name: str, folder: Path | None) -> Path:
    """The path of NAME.npz: in `folder` if it is there, else downloaded into it by the optional package `medmnist`.

    Raises `DatasetUnavailableError` if the file is neither there nor to be had.
    """
    target = folder or Path.home() / ".medmnist"  # where the package keeps its files
    path = target / f"{name}.npz"
    if path.is_file():
        return path
    try:
        package = importlib.import_module("medmnist")
    except ImportError as error:
        raise _unavailable(name, folder, "the package medmnist is not installed") from error
    try:
        target.mkdir(parents=True, exist_ok=True)
        getattr(package, package.INFO[name]["python_class"])(split="test", download=True, root=str(target))
    except Exception as error:  # its download raises whatever the network or the disk did
        raise _unavailable(name, folder, "its download failed") from error
    return path


def _unavailable(name: str, folder: Path | None, why: str) -> DatasetUnavailableError:
    where = f"{name}.npz is not in {folder}" if folder else f"{name}.npz was looked for without a folder"
    return DatasetUnavailableError(
        f"{where}, and {why}",
        f"put {name}.npz into a folder and name it with --data-dir or HMCHAIN_DATA_DIR, "
        "or install hmchain[medmnist], which downloads it",
    )
