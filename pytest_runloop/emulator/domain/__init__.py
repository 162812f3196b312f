"""What the emulator knows without doing anything: states, records, rules. Pure."""
