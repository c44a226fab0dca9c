"""Making a checkpoint look as it does after a crash."""

from __future__ import annotations

from pathlib import Path

from databricks_utils.streaming import forget_last_batch

#: How far the batches have read; the last one only moves the watermark.
OFFSETS = {8: 5, 9: 7, 10: 9, 11: 9}


def test_forgetting_a_batch_takes_the_last_one_with_rows_and_what_followed_with_their_checksums(tmp_path: Path) -> None:
    for folder in ("commits", "offsets"):
        (tmp_path / folder).mkdir()
        for number, offset in OFFSETS.items():
            text = f'v1\n{{"batchWatermarkMs":{number}}}\n{{"logOffset":{offset}}}'
            (tmp_path / folder / str(number)).write_text(text)
            (tmp_path / folder / f".{number}.crc").touch()

    assert forget_last_batch(tmp_path) == 10
    noted, planned = ({path.name for path in (tmp_path / folder).iterdir()} for folder in ("commits", "offsets"))
    assert noted == {"8", "9", ".8.crc", ".9.crc"}
    assert planned == noted | {"10", ".10.crc"}
