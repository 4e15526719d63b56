"""Weights & Biases, online or offline (``WANDB_MODE=offline``)."""

from __future__ import annotations

from bench.report.trackers.record import Record


def send(record: Record, project: str) -> str:
    """A run of the id that is the key: of one id the later takes the place of the earlier."""
    import wandb

    run = wandb.init(
        project=project,
        id=record.key,
        name=record.name,
        config=dict(record.settings),
        settings=wandb.Settings(silent=True),
    )
    try:
        table = record.table.astype(object).where(record.table.notna(), None)
        pictures = [wandb.Image(each.pixels, caption=each.caption) for each in record.worst]
        run.log({
            **record.metrics,
            "table": wandb.Table(dataframe=table, allow_mixed_types=True),
            **({"worst masks": pictures} if pictures else {}),
        })  # fmt: skip
    finally:
        run.finish()
    return str(run.dir if run.offline else run.url)
