"""Recipe, lock, plan, rendering, report and seal: frozen values, no input or output."""
