"""Keeps the rules for prometheus-adapter equal to the table of metrics.

``python -m slipway_operator.adapter_rules FILE [--check]``: FILE is the chart's. With ``--check`` nothing is written,
and the exit status is 1 when it differs. Format: prometheus-adapter's ``docs/config.md``.
"""

import sys
from collections.abc import Sequence
from typing import Any

import yaml

from slipway_crds.generated_files import keep_file
from slipway_operator.domain.metrics_api.table import METRICS, MetricDefinition


def rules() -> dict[str, Any]:
    """The adapter's configuration: each metric of the table under its name, of pods."""
    return {"rules": [_rule(metric) for metric in METRICS]}


def _rule(metric: MetricDefinition) -> dict[str, Any]:
    series = "|".join(metric.measure.sources)
    return {
        "seriesQuery": f'{{__name__=~"{series}",namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"matches": ".*", "as": metric.name},
        "metricsQuery": metric.measure.promql("<<.LabelMatchers>>", "<<.GroupBy>>"),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; returns the exit status."""
    text = "# Made from the operator's table of metrics by slipway_operator.adapter_rules.\n"
    text += yaml.safe_dump(rules(), sort_keys=False, width=1000)
    return keep_file("slipway_operator.adapter_rules", text, "the table of metrics", argv)


if __name__ == "__main__":
    sys.exit(main())
