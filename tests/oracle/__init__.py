"""An independent computation of what the demo project has to produce: pandas only, nothing of the library."""
