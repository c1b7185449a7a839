// An Azure Batch account for the runs of kind `batch`. It takes no keys.
param name string
param location string
param tags object
param appPrincipalId string

// Azure Batch Job Submitter: jobs and tasks; pools are made by people.
var jobSubmitter = '48e5e92e-a480-4e71-aa9c-2778f4c13781'

resource account 'Microsoft.Batch/batchAccounts@2024-07-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    allowedAuthenticationModes: [
      'AAD'
    ]
    poolAllocationMode: 'BatchService'
    publicNetworkAccess: 'Enabled'
  }
}

resource appRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, appPrincipalId, jobSubmitter)
  scope: account
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', jobSubmitter)
  }
}
