"""What is known of a household on a day: defined here, computed, joined and served by the library."""
