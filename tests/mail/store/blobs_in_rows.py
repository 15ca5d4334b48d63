"""The blob files of a store that has none: everything lies in rows."""

from collections.abc import Iterator

from mail.errors import StorageFault


class NoFiles:
    def open(self, folder: str, blob_id: str) -> int:
        raise StorageFault(f"blob {folder}/{blob_id}")

    def stored(self) -> Iterator[tuple[str, str]]:
        return iter(())
