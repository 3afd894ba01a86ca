"""The fake providers: a server that speaks their wire."""
