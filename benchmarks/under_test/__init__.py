"""The processes under test, one module each, which load no more than they need: their memory is measured."""
