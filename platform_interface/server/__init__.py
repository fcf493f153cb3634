"""The embedded platform over HTTP: a subset of ThingsBoard's REST API over the local store."""
