// The queues. Their messages are wakes: ids, never news, so none needs duplicate detection, sessions or order.
param name string
param location string
param tags object
param kinds array
param queueSizeMb int
// 0 = the standard tier: pay as you go, 1,000 credits a second. More = that many units of the premium tier.
param messagingUnits int
param scaleByQueueLength bool
param appPrincipalId string

// These are the queues of runyard.dispatch.wakes.queues(); a test compares the two.
var fixedQueues = [
  'submissions'
  'watch'
  'finished'
  'notify'
]
var deadLetterQueue = 'deadletters'
var dispatchQueues = [for kind in kinds: 'dispatch-${kind}']

// Azure Service Bus Data Owner
var dataOwner = '090c5cfd-751d-490a-894a-3ce6f1109419'
// Azure Service Bus Data Receiver
var dataReceiver = '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
// Azure Service Bus Data Sender
var dataSender = '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
// The Functions platform reads queue lengths only with the right to manage:
// https://learn.microsoft.com/azure/azure-functions/functions-target-based-scaling#service-bus-queues-and-topics
var appRoles = scaleByQueueLength ? [
  dataOwner
] : [
  dataReceiver
  dataSender
]

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  // Basic has neither scheduled messages nor a choice of what becomes of dead letters.
  // Premium has units of its own: https://learn.microsoft.com/azure/service-bus-messaging/service-bus-premium-messaging
  sku: messagingUnits == 0 ? {
    name: 'Standard'
    tier: 'Standard'
  } : {
    name: 'Premium'
    tier: 'Premium'
    capacity: messagingUnits
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

// Every other queue's dead letters; what cannot be handled here either stays in its own dead-letter queue, and an alert tells.
resource deadLetters 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: deadLetterQueue
  properties: {
    deadLetteringOnMessageExpiration: true
    defaultMessageTimeToLive: 'P14D'
    enableBatchedOperations: true
    enablePartitioning: false
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    maxSizeInMegabytes: queueSizeMb
    requiresDuplicateDetection: false
    requiresSession: false
  }
}

// Dead letters after their consequence was written down: nobody receives them until they are sent again.
resource buried 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'buried'
  properties: {
    deadLetteringOnMessageExpiration: false
    defaultMessageTimeToLive: 'P90D'
    enableBatchedOperations: true
    enablePartitioning: false
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    maxSizeInMegabytes: queueSizeMb
    requiresDuplicateDetection: false
    requiresSession: false
  }
}

resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for item in concat(fixedQueues, dispatchQueues): {
  parent: namespace
  name: item
  properties: {
    deadLetteringOnMessageExpiration: true
    // A wake waits for at most a day (the longest delay of a retry); what is older is told, and not dropped.
    defaultMessageTimeToLive: 'P14D'
    enableBatchedOperations: true
    enablePartitioning: false
    forwardDeadLetteredMessagesTo: deadLetterQueue
    // The host renews the lock of a message at work for five minutes (host.json).
    lockDuration: 'PT1M'
    maxDeliveryCount: 10
    maxSizeInMegabytes: queueSizeMb
    // It would eat messages that are sent again on purpose.
    requiresDuplicateDetection: false
    requiresSession: false
  }
  dependsOn: [
    deadLetters
  ]
}]

resource appRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in appRoles: {
  name: guid(namespace.id, appPrincipalId, role)
  scope: namespace
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

output id string = namespace.id
output name string = namespace.name
// Without scheme and port, as the SDK and the triggers want it.
output hostName string = replace(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':443/', '')
