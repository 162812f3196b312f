"""What the emulator does: devboxes, executions, files, snapshots. Knows machines and records, but no HTTP."""
