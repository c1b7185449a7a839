#!/bin/sh
# Subscribes the app to dropped snapshots. Event Grid takes a function as a destination only once the function is there, so this
# comes after the code. azd gives the outputs of main.bicep as variables. Running it again changes nothing.
set -eu

: "${AZURE_SUBSCRIPTION_ID:?is missing: run this by azd (azd hooks run postdeploy)}"
: "${AZURE_RESOURCE_GROUP:?is missing: run azd provision first}"
: "${RUNYARD_FUNCTION_APP:?is missing: run azd provision first}"
: "${RUNYARD_STORAGE_ACCOUNT:?is missing: run azd provision first}"
: "${RUNYARD_EVENT_TOPIC:?is missing: run azd provision first}"
tries="${RUNYARD_HOOK_TRIES:-30}"
pause="${RUNYARD_HOOK_PAUSE:-10}"

if ! command -v az >/dev/null 2>&1; then
  echo "The Azure CLI (az) is missing. Install it, sign in (az login), and run: azd hooks run postdeploy" >&2
  exit 1
fi
if ! az account show --subscription "$AZURE_SUBSCRIPTION_ID" --output none; then
  echo "az is not signed in to $AZURE_SUBSCRIPTION_ID. Sign in (az login), and run: azd hooks run postdeploy" >&2
  exit 1
fi

# The platform lists a function some time after its code came.
left="$tries"
until az functionapp function show --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$AZURE_RESOURCE_GROUP" \
  --name "$RUNYARD_FUNCTION_APP" --function-name blob_created --output none 2>/dev/null; do
  left=$((left - 1))
  if [ "$left" -le 0 ]; then
    echo "The function blob_created does not show up in $RUNYARD_FUNCTION_APP: docs/azure/troubleshooting.md, 'No function shows up'." >&2
    exit 1
  fi
  echo "waiting for the function blob_created ($left tries left)"
  sleep "$pause"
done

here="$(cd "$(dirname "$0")" && pwd)"
az deployment group create --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$AZURE_RESOURCE_GROUP" \
  --name runyard-subscription --template-file "$here/../subscription.bicep" --output none --parameters \
  topicName="$RUNYARD_EVENT_TOPIC" storageName="$RUNYARD_STORAGE_ACCOUNT" functionAppName="$RUNYARD_FUNCTION_APP"
echo "Dropped snapshots start runs: container snapshots of $RUNYARD_STORAGE_ACCOUNT, app $RUNYARD_URL"
