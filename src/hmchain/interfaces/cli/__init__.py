"""The command line `hmchain`.

A command parses its options, calls one service or reader, and shows one value: `output.show` prints it as JSON where
`--json` was given, else through a text view. `main` names the groups; a group's module is imported when it is called,
so command modules import services at the top. Libraries of extras wait inside the services.
"""
