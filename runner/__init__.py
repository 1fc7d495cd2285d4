"""Gather facts, ask core, write the plan down, act, write down what happened."""
