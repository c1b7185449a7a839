"""The adapters for Azure: Tables, Blob Storage, Service Bus and Key Vault, by managed identity.

Nothing here is imported before an Azure service is asked for: the SDKs are an extra (``pip install 'runyard[azure]'``).
"""
