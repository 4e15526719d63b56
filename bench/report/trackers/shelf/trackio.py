"""Trackio: a database here (``TRACKIO_DIR``), or a Space of the Hub (``TRACKIO_SPACE_ID``)."""

from __future__ import annotations

from contextlib import suppress

from bench.report.trackers.record import Record


def send(record: Record, project: str) -> str:
    """A run of the project, in place of one of this name where that lies here."""
    import trackio

    with suppress(ValueError):  # no such project yet
        for earlier in list(trackio.Api().runs(project)):
            if earlier.name == record.name:
                earlier.delete()
    run = trackio.init(
        project=project,
        name=record.name,
        config=dict(record.settings),
        resume="allow",
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    try:
        table = record.table.astype(object).where(record.table.notna(), None)
        pictures = {
            f"worst masks/{number:02d}": trackio.Image(each.pixels, caption=each.caption)
            for number, each in enumerate(record.worst)
        }
        run.log({**record.metrics, "table": trackio.Table(dataframe=table), **pictures}, step=0)
    finally:
        run.finish()
    return f"trackio show --project {project}"
