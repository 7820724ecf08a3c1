"""The CometBFT engine: the state machine behind ABCI 2.0, and the processes of one node (many machines)."""
