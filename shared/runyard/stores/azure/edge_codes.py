"""The services' error codes, by what they mean here: those that the SDKs know, of Tables and of all of Storage.

https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes,
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes,
https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes
"""

from __future__ import annotations

from typing import Final

NOT_FOUND: Final = frozenset(
    [
        "BlobNotFound",
        "ContainerNotFound",
        "EntityNotFound",
        "FilesystemNotFound",
        "MessageNotFound",
        "ParentNotFound",
        "PathNotFound",
        "PreviousSnapshotNotFound",
        "QueueNotFound",
        "RenameDestinationParentPathNotFound",
        "ResourceNotFound",
        "ShareNotFound",
        "ShareSnapshotNotFound",
        "SourcePathNotFound",
        "TableNotFound",
    ]
)
"""It is not there."""

CONFLICT: Final = frozenset(
    [
        "AccountAlreadyExists",
        "AppendPositionConditionNotMet",
        "BlobAlreadyExists",
        "BlobArchived",
        "BlobBeingRehydrated",
        "BlobNotArchived",
        "BlobOverwritten",
        "BlockCountExceedsLimit",
        "CannotDeleteFileOrDirectory",
        "ConditionNotMet",
        "ContainerAlreadyExists",
        "CopyIdMismatch",
        "DirectoryNotEmpty",
        "EntityAlreadyExists",
        "FileLockConflict",
        "FilesystemAlreadyExists",
        "InfiniteLeaseDurationRequired",
        "LeaseAlreadyBroken",
        "LeaseAlreadyPresent",
        "LeaseIdMismatchWithBlobOperation",
        "LeaseIdMismatchWithContainerOperation",
        "LeaseIdMismatchWithLeaseOperation",
        "LeaseIdMissing",
        "LeaseIsAlreadyBroken",
        "LeaseIsBreakingAndCannotBeAcquired",
        "LeaseIsBreakingAndCannotBeChanged",
        "LeaseIsBrokenAndCannotBeRenewed",
        "LeaseLost",
        "LeaseNameMismatch",
        "LeaseNotPresentWithBlobOperation",
        "LeaseNotPresentWithContainerOperation",
        "LeaseNotPresentWithLeaseOperation",
        "MaxBlobSizeConditionNotMet",
        "NoPendingCopyOperation",
        "PathAlreadyExists",
        "PathConflict",
        "PendingCopyOperation",
        "PopReceiptMismatch",
        "QueueAlreadyExists",
        "QueueNotEmpty",
        "ResourceAlreadyExists",
        "SequenceNumberConditionNotMet",
        "ShareAlreadyExists",
        "ShareHasSnapshots",
        "ShareSnapshotCountExceeded",
        "SharingViolation",
        "SnapshotCountExceeded",
        "SnapshotsPresent",
        "SourceConditionNotMet",
        "SystemInUse",
        "TableAlreadyExists",
        "TargetConditionNotMet",
        "UpdateConditionNotSatisfied",
    ]
)
"""Somebody else was first, or its state does not allow it."""

AUTH: Final = frozenset(
    [
        "AuthenticationFailed",
        "AuthorizationFailure",
        "ContainerDisabled",
        "InsufficientAccountPermissions",
        "InvalidAuthenticationInfo",
        "NoAuthenticationInformation",
        "QueueDisabled",
        "ShareDisabled",
        "UnauthorizedBlobOverwrite",
    ]
)
"""The caller may not."""

PASSING: Final = frozenset(
    [
        "CannotVerifyCopySource",
        "ClientCacheFlushDelay",
        "DeletePending",
        "DestinationPathIsBeingDeleted",
        "FilesystemBeingDeleted",
        "Md5Mismatch",
        "QueueBeingDeleted",
        "ShareBeingDeleted",
        "ShareSnapshotInProgress",
        "SourcePathIsBeingDeleted",
    ]
)
"""It may work the next time."""

THROTTLED: Final = frozenset(["SnapshotOperationRateExceeded"])
"""Asked too often."""

FULL: Final = frozenset(
    [
        "TotalSharesCountExceedsAccountLimit",
        "TotalSharesProvisionedBandwidthExceedsAccountLimit",
        "TotalSharesProvisionedCapacityExceedsAccountLimit",
        "TotalSharesProvisionedIopsExceedsAccountLimit",
    ]
)
"""There is no room."""

CONFIG: Final = frozenset(
    [
        "BlobAccessTierNotSupportedForAccountType",
        "BlobTierInadequateForContentLength",
        "BlockListTooLong",
        "CannotChangeToLowerTier",
        "ConditionHeadersNotSupported",
        "ContainerQuotaDowngradeNotAllowed",
        "ContentLengthLargerThanTierLimit",
        "ContentLengthMustBeZero",
        "CopyAcrossAccountsNotSupported",
        "DuplicatePropertiesSpecified",
        "EmptyMetadataKey",
        "EntityTooLarge",
        "FeatureVersionMismatch",
        "FileShareProvisionedBandwidthDowngradeNotAllowed",
        "FileShareProvisionedBandwidthInvalid",
        "FileShareProvisionedIopsDowngradeNotAllowed",
        "FileShareProvisionedIopsInvalid",
        "FileShareProvisionedStorageInvalid",
        "HostInformationNotPresent",
        "IncrementalCopyBlobMismatch",
        "IncrementalCopyOfEarlierSnapshotNotAllowed",
        "IncrementalCopyOfEarlierVersionSnapshotNotAllowed",
        "IncrementalCopySourceMustBeSnapshot",
        "InvalidBlobOrBlock",
        "InvalidBlobTier",
        "InvalidBlobType",
        "InvalidBlockId",
        "InvalidBlockList",
        "InvalidDestinationPath",
        "InvalidDuplicateRow",
        "InvalidFileOrDirectoryPathName",
        "InvalidFlushPosition",
        "InvalidHeaderValue",
        "InvalidHttpVerb",
        "InvalidInput",
        "InvalidMarker",
        "InvalidMd5",
        "InvalidMetadata",
        "InvalidOperation",
        "InvalidPageRange",
        "InvalidPropertyName",
        "InvalidQueryParameterValue",
        "InvalidRange",
        "InvalidRenameSourcePath",
        "InvalidResourceName",
        "InvalidSourceBlobType",
        "InvalidSourceBlobUrl",
        "InvalidSourceOrDestinationResourceType",
        "InvalidSourceUri",
        "InvalidUri",
        "InvalidValueType",
        "InvalidVersionForPageBlobOperation",
        "InvalidXmlDocument",
        "InvalidXmlNodeValue",
        "JsonFormatNotSupported",
        "MessageTooLarge",
        "MetadataTooLarge",
        "MethodNotAllowed",
        "MissingContentLengthHeader",
        "MissingRequiredHeader",
        "MissingRequiredQueryParameter",
        "MissingRequiredXmlNode",
        "MultipleConditionHeadersNotSupported",
        "NotImplemented",
        "OperationNotAllowedOnIncrementalCopyBlob",
        "OutOfRangeInput",
        "OutOfRangeQueryParameterValue",
        "PreviousSnapshotCannotBeNewer",
        "PreviousSnapshotOperationNotSupported",
        "PropertiesNeedValue",
        "PropertyNameInvalid",
        "PropertyNameTooLong",
        "PropertyValueTooLarge",
        "ReadOnlyAttribute",
        "RequestBodyTooLarge",
        "RequestUrlFailedToParse",
        "ResourceTypeMismatch",
        "SequenceNumberIncrementTooLarge",
        "ShareSnapshotOperationNotSupported",
        "TooManyProperties",
        "UnsupportedHeader",
        "UnsupportedHttpVerb",
        "UnsupportedQueryParameter",
        "UnsupportedRestVersion",
        "UnsupportedXmlNode",
        "XMethodIncorrectCount",
        "XMethodIncorrectValue",
        "XMethodNotUsingPost",
    ]
)
"""It cannot be done as asked."""
