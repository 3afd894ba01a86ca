"""The contract: what the providers promise on the wire, as data and as tests."""
