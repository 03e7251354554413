"""Write the generated files of the docs function: the OpenAPI document, and the viewer from its package.

`make build` runs this before `sam build`, and the local servers before they load the function. The files are not
committed: the document would conflict in every two changes of the API, and the viewer is not ours.
"""

import importlib.util
import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Final

from dev.openapi.document import build
from dev.template import ROOT

STATIC: Final = ROOT / "functions/docs/static"
FUNCTION: Final = "DocsFunction"

_PACKAGE: Final = "drf_spectacular_sidecar"
_VIEWER: Final = f"static/{_PACKAGE}/swagger-ui-dist"
VIEWER_FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "swagger-ui-bundle.js.LICENSE.txt", "LICENSE")


@cache
def write() -> None:
    """Write all files, once in a process. Files that are the same already stay untouched."""
    STATIC.mkdir(exist_ok=True)
    _replace(STATIC / "openapi.json", json.dumps(build(), ensure_ascii=False, separators=(",", ":")).encode())
    package = importlib.util.find_spec(_PACKAGE)  # finds its files without importing it
    assert package is not None, f"{_PACKAGE} is missing: run make setup"
    assert package.submodule_search_locations is not None
    viewer = Path(package.submodule_search_locations[0]) / _VIEWER
    for name in VIEWER_FILES:
        if not (STATIC / name).exists() or (STATIC / name).stat().st_size != (viewer / name).stat().st_size:
            _replace(STATIC / name, (viewer / name).read_bytes())


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step, because other processes may read it."""
    if path.exists() and path.read_bytes() == content:
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    shutil.move(partial, path)


if __name__ == "__main__":
    write()
