"""The emulator's REST face: parses requests, asks the service, prints answers. One module per resource."""
