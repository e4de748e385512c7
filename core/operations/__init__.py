"""The operations: one module each, named like the OTBTF application in lower case.

A module holds a frozen dataclass named like the application: its keys, declared with `core.parameters.vocabulary`, and
what else is seen of it from outside. Its class variables:

    RUN             where its body stands, as "room.module:function"; it takes the parameters and a `Progress`, and returns
                    a dictionary: for each output its key and path, and the numbers that were found
    CHECK           the same for a check that needs more than the keys; it takes the parameters, and raises ParameterError
    NEEDS_ENGINE    whether TensorFlow takes part
    OPENS_FIRST     whether the body waits for TensorFlow by itself, once it has opened its sources

`core.registry` finds the modules, and runs what they declare.
"""
