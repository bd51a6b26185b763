"""The families of tasks, one file each, and their words: a file put here is found, and its tasks are registered."""
