// Runyard in one resource group. `azd up` deploys this file, then the code, then subscription.bicep (docs/azure/deploy.md).
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('The azd environment: names the resource group and, hashed, everything in it.')
param environmentName string

@minLength(1)
@description('A region that has the Flex Consumption plan.')
param location string

@description('Who may put snapshots into the drop container: an object id of Entra ID. Empty: nobody but the app.')
param principalId string = ''

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param principalType string = 'User'

@description('The kinds of compute target that have a dispatch queue. A test compares them with the code.')
param kinds array = []

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
@description('Redundancy of runs, snapshots and tables.')
param storageSku string = 'Standard_LRS'

@minValue(0)
@description('Days after which what the API took is removed; 0 keeps it.')
param uploadsDays int = 90

@minValue(0)
@description('Days after which logs and outputs of runs are removed; 0 keeps them.')
param runsDays int = 0

@minValue(0)
@description('Days after which dropped snapshots are removed; 0 keeps them.')
param snapshotsDays int = 0

@minValue(1)
@maxValue(365)
@description('Days for which deleted blobs and containers can be brought back.')
param softDeleteDays int = 7

@allowed([
  1024
  2048
  3072
  4096
  5120
])
@description('Room of each queue.')
param queueSizeMb int = 1024

@allowed([
  0
  1
  2
  4
  8
  16
])
@description('Units of Service Bus Premium; 0 = the standard tier. See docs/scale.md. A namespace cannot change its tier: it is made anew.')
param messagingUnits int = 0

@description('Let the app read queue lengths, so that it scales by them: the role Azure Service Bus Data Owner in place of Receiver and Sender.')
param scaleByQueueLength bool = false

@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@allowed([
  512
  2048
  4096
])
param instanceMemoryMb int = 2048

@description('Instances that are always there: objects with a name (http, or function:NAME) and an instanceCount.')
param alwaysReady array = []

@description('Whether secrets and the vault are kept until their retention is over, whoever deletes them. It cannot be undone.')
param purgeProtection bool = false

@minValue(7)
@maxValue(90)
param vaultRetentionDays int = 7

@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs a day after which no more are taken; -1: no bound.')
param logDailyCapGb int = 1

@description('Where alerts go; empty: they are shown in the portal only.')
param alertEmail string = ''

@description('The directory of Entra ID whose tokens the API takes; empty: none.')
param entraTenant string = ''

@description('For whom those tokens are issued: the application id, api://ID or both, with a comma between.')
param entraAudience string = ''

@description('Who may call the API: app roles and ids of applications, with commas between.')
param entraCallers string = ''

@description('Who may deliver to webhooks, likewise.')
param entraSenders string = ''

@description('Who issues the tokens, in another cloud than the public one.')
param entraAuthority string = ''

@description('Make an Azure Batch account.')
param batch bool = false

@description('Make a container registry.')
param registry bool = false

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var storageName = 'strun${token}'

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-runyard-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-runyard-${token}'
    insightsName: 'appi-runyard-${token}'
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
    appPrincipalId: identity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: storageName
    location: location
    tags: tags
    sku: storageSku
    uploadsDays: uploadsDays
    runsDays: runsDays
    snapshotsDays: snapshotsDays
    softDeleteDays: softDeleteDays
    appPrincipalId: identity.outputs.principalId
    userPrincipalId: principalId
    userPrincipalType: principalType
  }
}

module bus 'modules/servicebus.bicep' = {
  name: 'servicebus'
  scope: group
  params: {
    name: 'sb-runyard-${token}'
    location: location
    tags: tags
    kinds: kinds
    queueSizeMb: queueSizeMb
    messagingUnits: messagingUnits
    scaleByQueueLength: scaleByQueueLength
    appPrincipalId: identity.outputs.principalId
  }
}

module vault 'modules/keyvault.bicep' = {
  name: 'keyvault'
  scope: group
  params: {
    name: 'kv-run-${token}'
    location: location
    tags: tags
    purgeProtection: purgeProtection
    retentionDays: vaultRetentionDays
    appPrincipalId: identity.outputs.principalId
  }
}

module functions 'modules/functions.bicep' = {
  name: 'functions'
  scope: group
  params: {
    name: 'func-runyard-${token}'
    planName: 'plan-runyard-${token}'
    hostStorageName: 'sthost${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    identityPrincipalId: identity.outputs.principalId
    blobUri: storage.outputs.blobUri
    tableUri: storage.outputs.tableUri
    busHostName: bus.outputs.hostName
    vaultUri: vault.outputs.uri
    insightsConnectionString: monitoring.outputs.connectionString
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMb: instanceMemoryMb
    alwaysReady: alwaysReady
    entra: {
      tenant: entraTenant
      audience: entraAudience
      callers: entraCallers
      senders: entraSenders
      authority: entraAuthority
    }
  }
}

module topic 'modules/eventgrid.bicep' = {
  name: 'eventgrid'
  scope: group
  params: {
    name: 'evgt-runyard-${token}'
    storageName: storageName
    location: location
    tags: tags
  }
  dependsOn: [
    storage
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    email: alertEmail
    busId: bus.outputs.id
    topicId: topic.outputs.id
    workspaceId: monitoring.outputs.workspaceId
  }
}

module batchAccount 'modules/batch.bicep' = if (batch) {
  name: 'batch'
  scope: group
  params: {
    name: 'bat${token}'
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
  }
}

module containerRegistry 'modules/registry.bicep' = if (registry) {
  name: 'registry'
  scope: group
  params: {
    name: 'cr${token}'
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
  }
}

// azd keeps these in the environment, under these names.
output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output RUNYARD_FUNCTION_APP string = functions.outputs.name
output RUNYARD_URL string = functions.outputs.url
output RUNYARD_STORAGE_ACCOUNT string = storageName
output RUNYARD_SERVICE_BUS string = bus.outputs.name
output RUNYARD_KEY_VAULT string = vault.outputs.name
output RUNYARD_LOGS string = monitoring.outputs.workspaceCustomerId
output RUNYARD_EVENT_TOPIC string = topic.outputs.name
