// The Functions app on Flex Consumption, with the storage account that its host keeps keys, leases and the package in.
param name string
param planName string
param hostStorageName string
param location string
param tags object
param identityId string
param identityClientId string
param identityPrincipalId string
param blobUri string
param tableUri string
param busHostName string
param vaultUri string
param insightsConnectionString string
param maximumInstanceCount int
param instanceMemoryMb int
param alwaysReady array
param entra object

// Storage Blob Data Owner: what the host asks for on its own account.
// https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var packages = 'app-package'

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: hostStorageName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
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

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: hostStorage
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource packageContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: hostBlobs
  name: packages
  properties: {
    publicAccess: 'None'
  }
}

resource hostRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, identityPrincipalId, blobOwner)
  scope: hostStorage
  properties: {
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobOwner)
  }
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': 'functionapp'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostStorage.properties.primaryEndpoints.blob}${packages}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMb
        alwaysReady: alwaysReady
      }
    }
  }
  dependsOn: [
    packageContainer
  ]
}

// What the code reads (runyard/stores/azure/settings.py), what the triggers' connections read, and what the host reads.
// Flex Consumption refuses FUNCTIONS_WORKER_RUNTIME and its like: functionAppConfig says them.
resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    AZURE_CLIENT_ID: identityClientId
    Storage__blobServiceUri: blobUri
    Storage__tableServiceUri: tableUri
    KeyVault__vaultUri: vaultUri
    Runyard__entraTenant: entra.tenant
    Runyard__entraAudience: entra.audience
    Runyard__entraCallers: entra.callers
    Runyard__entraSenders: entra.senders
    Runyard__entraAuthority: entra.authority
    ServiceBus__fullyQualifiedNamespace: busHostName
    ServiceBus__credential: 'managedidentity'
    ServiceBus__clientId: identityClientId
    AzureWebJobsStorage__blobServiceUri: hostStorage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: hostStorage.properties.primaryEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: hostStorage.properties.primaryEndpoints.table
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    // With telemetryMode in host.json and the exporter in requirements.txt (docs/observability.md).
    PYTHON_ENABLE_OPENTELEMETRY: 'true'
    // By default the worker has four threads more than processors, and host.json gives it 16 messages of each function at a time.
    PYTHON_THREADPOOL_THREAD_COUNT: '32'
  }
  dependsOn: [
    hostRole
  ]
}

// The package comes by an Entra ID token; user names and passwords open nothing.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
