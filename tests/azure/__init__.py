"""The adapters for Azure against real SDKs, Azurite and the stand-ins: what the contract suites do not say."""
