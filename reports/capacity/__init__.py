"""Figures and page of a capacity search, and which resource binds."""
