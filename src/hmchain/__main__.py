"""`python -m hmchain`: the command line."""

from hmchain.interfaces.cli.main import run

if __name__ == "__main__":
    run()
