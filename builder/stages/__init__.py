"""The verbs, one file each, one public function each; the world reaches them through ports (Protocols)."""
