"""HTTP to other services: one transport for the clouds and for webhooks."""
