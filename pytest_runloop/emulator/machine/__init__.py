"""Real sandboxes on this computer: disks, namespaces, processes. Knows nothing of HTTP or the Runloop API."""
