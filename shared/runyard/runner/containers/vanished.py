"""Base images that are not published any more, and what is taken in their place.

Azure Machine Learning's SDKs of 2018 to 2022 named images of Ubuntu 16.04 and 18.04 that were taken down; those of 2018
alone were on Docker Hub, as ``azureml/base``. What a run configuration that names one needs of it is a Linux with a C
library, MPI, and a shell; its Python came from the conda environment. So each goes to the living image of the same series:
``mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04``, or its CUDA counterpart. The Spark images (``microsoft/mmlspark``)
have no counterpart; a Python image at least runs scripts that bring Spark by pip.
"""

import re
from typing import NamedTuple, Optional

CPU = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
GPU = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04:latest"
PYTHON = "python:3.11-slim"


class Series(NamedTuple):
    """Images of one name."""

    names: str
    """A regular expression for the whole reference without its tag."""
    living: str


TABLE = (
    Series(r"(?:docker\.io/)?azureml/base-gpu|mcr\.microsoft\.com/azureml/base-gpu", GPU),
    Series(r"(?:docker\.io/)?azureml/base|mcr\.microsoft\.com/azureml/base", CPU),
    Series(r"mcr\.microsoft\.com/azureml/(?:openmpi|intelmpi)[0-9.]+-cuda[\w.-]*-ubuntu(?:16|18)\.04", GPU),
    Series(r"mcr\.microsoft\.com/azureml/(?:openmpi|intelmpi)[0-9.]+-ubuntu(?:16|18)\.04", CPU),
    Series(r"(?:docker\.io/)?microsoft/mmlspark|mcr\.microsoft\.com/mmlspark/release", PYTHON),
)


def living(image: str) -> Optional[str]:
    """What is taken in an image's place; ``None`` if it is not known to have gone."""
    name = image.partition("@")[0]
    if ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    for series in TABLE:
        if re.fullmatch(series.names, name.lower()):
            return series.living
    return None
