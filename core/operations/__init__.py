"""The operations: one module each, named like the OTBTF application in lower case.

A module holds a class named like the application, derived from `core.parameters.operation.Operation`: all that is seen
of the operation from outside. `core.registry` finds the modules and runs what they declare; the Processing algorithms,
command lines and the pages of the API reference follow from them.
"""
