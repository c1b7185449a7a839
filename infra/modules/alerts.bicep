// What tells people: dead letters, failed runs, events that were not delivered.
param location string
param tags object
param email string
param busId string
param topicId string
param workspaceId string

// The names under which the code tells of ended runs: a counter, with the state as a property of it.
var endedMetric = 'runyard.run.ended'
var stateProperty = 'state'
var failedState = 'Failed'

var actions = empty(email) ? [] : [
  {
    actionGroupId: people.id
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'runyard-people'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'runyard'
    emailReceivers: [
      {
        name: 'mail'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// `buried` holds what could not be handled, after its consequence was written down.
resource buried 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'runyard-buried-messages'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages could not be handled. GET /api/queues/buried/messages shows them; docs/azure/troubleshooting.md.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [
      busId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'buried'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'ActiveMessages'
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: [
                'buried'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Average'
        }
      ]
    }
    actions: actions
  }
}

// Dead letters are forwarded, so a queue that keeps some has a fault that nothing here can handle.
resource deadLettered 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'runyard-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'A dead-letter queue holds messages: the function dead_letters fails, or the app does not run.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [
      busId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dead-lettered'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Average'
        }
      ]
    }
    actions: actions
  }
}

resource undelivered 'Microsoft.Insights/metricAlerts@2018-03-01' = [for metric in [
  'DeadLetteredCount'
  'DroppedEventCount'
]: {
  name: 'runyard-event-grid-${metric}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid gave up events of dropped snapshots. The sweep finds those snapshots within five minutes.'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [
      topicId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'given-up'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: metric
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Total'
        }
      ]
    }
    actions: actions
  }
}]

// One failed try in a while is normal (a cold start): only many are told.
resource failing 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'runyard-event-grid-failing'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid cannot deliver to the function blob_created; it tries again for a day.'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [
      topicId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'failed-tries'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: 'DeliveryAttemptFailCount'
          operator: 'GreaterThan'
          threshold: 10
          timeAggregation: 'Total'
        }
      ]
    }
    actions: actions
  }
}

resource failedRuns 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'runyard-failed-runs'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Runyard: runs failed'
    description: 'Runs ended as Failed. GET /api/runs?status=Failed lists them, and /api/runs/ID/why says why.'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'AppMetrics | where Name == "${endedMetric}" and tostring(Properties["${stateProperty}"]) == "${failedState}" | summarize Failed = sum(Sum) by bin(TimeGenerated, 15m)'
          metricMeasureColumn: 'Failed'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: empty(email) ? [] : [
        people.id
      ]
    }
  }
}
