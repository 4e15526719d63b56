"""MLflow, wherever ``MLFLOW_TRACKING_URI`` says: a server, or a database here."""

from __future__ import annotations

from bench.report.trackers.record import Record

KEY = "sam_bench.key"
"""The tag by which an earlier time's run is found."""


def send(record: Record, project: str) -> str:
    """A run of the experiment, the one that holds this key where there is one."""
    import mlflow

    mlflow.set_experiment(project)
    found = mlflow.search_runs(
        filter_string=f"tags.`{KEY}` = '{record.key}'", output_format="list", max_results=1
    )
    earlier = found[0].info.run_id if found else None
    with mlflow.start_run(run_id=earlier, run_name=record.name) as run:
        mlflow.set_tags({KEY: record.key})
        if earlier is None:  # parameters can't be changed, and those of one key never do
            mlflow.log_params({name: value[:_LONGEST] for name, value in record.settings.items()})
        mlflow.log_metrics(dict(record.metrics))
        mlflow.log_text(record.table.to_csv(index=False), "table.csv")
        captions = []
        for number, each in enumerate(record.worst):
            name = f"worst/{number:02d}.png"
            mlflow.log_image(each.pixels, name)
            captions.append(f"{name}: {each.caption}")
        if captions:
            mlflow.log_text("\n".join(captions) + "\n", "worst/captions.txt")
        return f"{mlflow.get_tracking_uri()}, run {run.info.run_id}"


_LONGEST = 6000
"""Characters of a parameter that every store of MLflow takes."""
