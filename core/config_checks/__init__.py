"""The logical checks of the configuration: what each value means next to the others."""
