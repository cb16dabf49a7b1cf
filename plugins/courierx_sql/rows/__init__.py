"""Repositories: one small file per slice, plain Core on both databases, through the accessor alone."""
