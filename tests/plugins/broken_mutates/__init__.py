"""Plugin of the tests."""
