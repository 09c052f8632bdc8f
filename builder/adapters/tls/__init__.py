"""The doctor's senses: connections, clocks, stores and verifiers."""
