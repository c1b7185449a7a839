"""What Azure Storage allows and Azurite does not look at, in one place; a test may lower a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass
class Limits:
    """The numbers, each with its source."""

    # https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
    key_units: int = 512
    """UTF-16 units of a PartitionKey or RowKey: 1 KiB."""
    properties: int = 252
    """Of an entity, beside PartitionKey, RowKey and Timestamp."""
    property_name: int = 255
    property_bytes: int = 64 << 10
    entity_bytes: int = 1 << 20
    # https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
    batch_operations: int = 100
    batch_bytes: int = 4 << 20
    # https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities
    filter_comparisons: int = 15
    page: int = 1000
    # https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
    blob_name: int = 1024
    blob_segments: int = 254
    metadata_bytes: int = 8 << 10
    # https://learn.microsoft.com/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs
    blocks: int = 50_000
    block_id_bytes: int = 64
    append_blocks: int = 50_000
    # https://learn.microsoft.com/rest/api/storageservices/append-block#remarks (4 MiB before version 2022-11-02)
    append_bytes: int = 100 << 20
    append_bytes_before_2022: int = 4 << 20


# https://learn.microsoft.com/rest/api/storageservices/previous-azure-storage-service-versions and, for 2026,
# https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services (the last by the SDK alone)
VERSIONS: Final = frozenset(
    {
        "2009-04-14", "2009-07-17", "2009-09-19", "2011-08-18", "2012-02-12", "2013-08-15", "2014-02-14", "2015-02-21",
        "2015-04-05", "2015-07-08", "2015-12-11", "2016-05-31", "2017-04-17", "2017-07-29", "2017-11-09", "2018-03-28",
        "2018-11-09", "2019-02-02", "2019-07-07", "2019-10-10", "2019-12-12", "2020-02-10", "2020-04-08", "2020-06-12",
        "2020-08-04", "2020-10-02", "2020-12-06", "2021-02-12", "2021-04-10", "2021-06-08", "2021-08-06", "2021-10-04",
        "2021-12-02", "2022-11-02", "2023-01-03", "2023-05-03", "2023-08-03", "2023-11-03", "2024-02-04", "2024-05-04",
        "2024-08-04", "2024-11-04", "2025-01-05", "2025-05-05", "2025-07-05", "2025-11-05", "2026-02-06", "2026-04-06",
        "2026-06-06", "2026-10-06",
    }
)  # fmt: skip
