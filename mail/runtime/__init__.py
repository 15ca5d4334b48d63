"""Builds the world of a named program, once, from the settings file.

A package so that a program imports only what its row of the process table needs: `world` is light, `stored` brings the
database and the bus.
"""
