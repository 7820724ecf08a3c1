"""What waits in quarantine is counted when the catalogue was written, and not for each page."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hmchain.application.site import hospital
from hmchain.application.site.keyring import local_key
from hmchain.application.watching.machine_figures import HeldCounts
from hmchain.keys import SecretKey

LONG_AGO = time.time() - 3600


def test_it_is_counted_once_a_change(tmp_path: Path) -> None:
    folder, counts, opened = hospital.create(tmp_path / "north"), HeldCounts(), list[SecretKey]()

    def local() -> SecretKey:
        opened.append(local_key(folder.keys))
        return opened[-1]

    assert counts.of(folder, local) == 0 and not opened, "there is nothing to count in"
    with hospital.open_records(folder):
        pass
    counts.of(folder, local), counts.of(folder, local)
    assert len(opened) == 2, "what was just written may be written again at the same time"
    os.utime(folder.catalogue, (LONG_AGO, LONG_AGO))
    counts.of(folder, local), counts.of(folder, local)
    assert len(opened) == 3, "nothing has changed"
    os.utime(folder.catalogue)
    counts.of(folder, local)
    assert len(opened) == 4, "it was written"
