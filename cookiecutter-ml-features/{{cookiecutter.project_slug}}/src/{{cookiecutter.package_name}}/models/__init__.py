"""From features to models: examples, training, scoring, watching, serving."""
