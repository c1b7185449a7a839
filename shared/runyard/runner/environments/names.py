"""Conda packages of which the name on PyPI is another, and those that mean nothing without conda.

All others are looked for under their own names. Python's own packages are not in it: :mod:`.resolve` treats them.
"""

OTHER_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "torchvision-cpu": "torchvision",
    "tensorflow-mkl": "tensorflow",
    "tensorflow-eigen": "tensorflow",
    "tensorflow-base": "tensorflow",
    "keras-gpu": "keras",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "py-xgboost-mutex": "",
    "faiss": "faiss-cpu",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "ruamel_yaml": "ruamel.yaml",
    "matplotlib-base": "matplotlib",
    "seaborn-base": "seaborn",
    "dask-core": "dask",
    "numpy-base": "numpy",
    "psycopg2": "psycopg2-binary",
    "python-graphviz": "graphviz",
    "python-blosc": "blosc",
    "python-lmdb": "lmdb",
    "python-flatbuffers": "flatbuffers",
    "python-kubernetes": "kubernetes",
    "importlib_metadata": "importlib-metadata",
    "importlib_resources": "importlib-resources",
    "jupyter_client": "jupyter-client",
    "jupyter_core": "jupyter-core",
    "prompt_toolkit": "prompt-toolkit",
    "typing_extensions": "typing-extensions",
    "backports.functools_lru_cache": "backports.functools-lru-cache",
    "brotlipy": "brotlipy",
    "unixodbc": "",
}
"""By conda's name; ``""``: nothing is needed."""

CONDA_ALONE = frozenset(
    """
    _libgcc_mutex _openmp_mutex _tflow_select _r-mutex _anaconda_depends anaconda conda conda-build conda-env
    blas libblas libcblas liblapack liblapacke lapack openblas libopenblas mkl mkl-include mkl-devel mkl-service mkl_fft
    mkl_random nomkl intel-openmp llvm-openmp
    libgcc libgcc-ng libgomp libstdcxx-ng libgfortran libgfortran-ng libgfortran3 libgfortran4 libgfortran5 gcc gcc_linux-64
    gxx gxx_linux-64 gfortran_linux-64 binutils binutils_impl_linux-64 binutils_linux-64 compilers c-compiler cxx-compiler
    sysroot_linux-64 kernel-headers_linux-64 make pkg-config
    ca-certificates openssl zlib bzip2 xz lz4-c zstd libffi readline ncurses tk sqlite expat icu libpng libtiff libwebp jpeg
    libjpeg-turbo freetype fontconfig glib libxml2 libxslt libuuid libcurl libssh2 krb5 hdf5 libhdf5 libnetcdf protobuf-c
    libprotobuf snappy gflags glog boost boost-cpp arrow-cpp parquet-cpp libopencv ffmpeg graphviz git curl wget
    ld_impl_linux-64 python_abi vc vs2015_runtime ucrt vs2015_win-64
    cudatoolkit cudnn nccl cudatoolkit-dev cuda cuda-toolkit pytorch-cuda pytorch-mutex cpuonly magma-cuda
    openmpi mpich mpi
    """.split()
)
"""Libraries, compilers and switches that conda's packages share; packages from PyPI bring what they need of them."""

STAND_IN = "azureml"
"""Packages of this name, and of those that begin with it and a dash, are what Runyard's own ``azureml.core`` stands for."""


def is_stood_in(name: str) -> bool:
    """Whether Runyard supplies a package itself."""
    return name == STAND_IN or name.startswith(STAND_IN + "-")
