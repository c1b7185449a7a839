"""A portion of ``azureml``: other packages of that name, installed beside it, stay what they are."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
