"""Reads the text format of Prometheus on stdin with Prometheus's own parser; says the samples as one line of JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

samples = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
        assert family.documentation and family.type in ("counter", "gauge"), family
        samples[f"{sample.name}{{{labels}}}"] = sample.value
print(json.dumps(samples))
