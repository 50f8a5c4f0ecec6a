"""Write the snapshot of the schema: `python -m schema`."""

from schema import SNAPSHOT, sdl

SNAPSHOT.write_text(sdl())
