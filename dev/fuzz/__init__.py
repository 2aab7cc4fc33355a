"""Fuzzes for minutes what pytest tries for seconds: the hypothesis tests of tests/fuzz, guided by coverage."""
