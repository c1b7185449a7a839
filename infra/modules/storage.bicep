// Runyard's tables and blobs: one account, without keys. The Functions host keeps its own things elsewhere (functions.bicep),
// so that a role on this account opens neither the app's package nor the host's keys.
param name string
param location string
param tags object
param sku string
param uploadsDays int
param runsDays int
param snapshotsDays int
param softDeleteDays int
param appPrincipalId string
param userPrincipalId string
param userPrincipalType string

// These are the names in shared/runyard/stores/azure/names.py; a test compares the two.
var tables = [
  'runs'
  'identities'
  'runsbytime'
  'runsbyexperiment'
  'runsbyending'
  'outbox'
  'gates'
  'documents'
  'schedules'
  'deliveries'
]
var containers = [
  'snapshots'
  'runs'
  'uploads'
  'registers'
  'eventgrid-deadletters'
]

// Storage Blob Data Contributor; it may also ask for the key that signs short links (generateUserDelegationKey).
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
// Storage Table Data Contributor
var tableContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var appRoles = [
  blobContributor
  tableContributor
]

// Uncommitted blocks of an upload that was given up need no rule: the service drops them after a week.
// https://learn.microsoft.com/rest/api/storageservices/put-block#remarks
// No rule touches start registers: they go with the rows of their runs, and never before.
var lifetimes = [
  {
    container: 'uploads'
    days: uploadsDays
  }
  {
    container: 'runs'
    days: runsDays
  }
  {
    container: 'snapshots'
    days: snapshotsDays
  }
  {
    container: 'eventgrid-deadletters'
    days: 30
  }
]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for item in containers: {
  parent: blobs
  name: item
  properties: {
    publicAccess: 'None'
  }
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for item in tables: {
  parent: tableService
  name: item
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [for item in lifetimes: {
        name: 'remove-old-${item.container}'
        enabled: item.days > 0
        type: 'Lifecycle'
        definition: {
          filters: {
            blobTypes: [
              'blockBlob'
              'appendBlob'
            ]
            prefixMatch: [
              '${item.container}/'
            ]
          }
          actions: {
            baseBlob: {
              delete: {
                // A rule must name a number even while it is off.
                daysAfterModificationGreaterThan: item.days > 0 ? item.days : 36500
              }
            }
          }
        }
      }]
    }
  }
  dependsOn: [
    blobs
  ]
}

resource appRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in appRoles: {
  name: guid(account.id, appPrincipalId, role)
  scope: account
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

// The person who deploys may drop snapshots, and nothing else.
resource dropRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(userPrincipalId)) {
  name: guid(account.id, 'snapshots', userPrincipalId, blobContributor)
  scope: container[0]
  properties: {
    principalId: userPrincipalId
    principalType: userPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
  }
}

output blobUri string = account.properties.primaryEndpoints.blob
output tableUri string = account.properties.primaryEndpoints.table
