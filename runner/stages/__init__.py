"""The stages of a cycle, each a function of the cycle and the desk."""
