"""The container engine: builds, checks in containers, what is wrong with it, and how a build gets its artifacts."""
