"""Which of the host's environment variables scripts inherit: all but Runyard's own and the credentials of the service.

What a script needs to reach its own data (``HF_TOKEN``, ``AWS_*``, a proxy) stays, as it would at the shell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

NOT_INHERITED: Final = re.compile(
    r"""RUNYARD_.* | AZUREML_.* | AML_.*                 # of this host's own run, if it is in one
    | AZURE_CLIENT_.* | AZURE_USERNAME | AZURE_PASSWORD  # who the service is (azure-identity's names)
    | AZURE_FEDERATED_TOKEN.* | IDENTITY_.* | MSI_.*     # its managed identity
    | AzureWebJobs.* | WEBSITE_.* | APPSETTING_.* | CUSTOMCONNSTR_.*  # the Functions app's settings
    | AZURE_STORAGE_(KEY|CONNECTION_STRING|SAS_TOKEN)
    | .*_CONNECTION_STRING | .*ACCOUNT_KEY | .*__(accountKey|clientSecret)
    | PYTHONHOME | PYTHONSTARTUP | PYTHONEXECUTABLE      # of the host's interpreter, wrong for another
    """,
    re.VERBOSE | re.IGNORECASE,
)


def inherited(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that scripts inherit."""
    source = os.environ if environment is None else environment
    return {name: value for name, value in source.items() if not NOT_INHERITED.fullmatch(name)}
